"""A file system that died: mounts at the given folder, answers as much as a mount needs, and nothing else.

    hangfs.py FOLDER        the folder itself can be looked at; whatever is in it hangs
    hangfs.py FOLDER all    everything hangs
    hangfs.py FOLDER read   every name is a file of 1 MiB that can be opened; reading it hangs

Whoever asks waits in the kernel, unkillable, until this process ends.
"""
import ctypes
import errno
import os
import struct
import sys

INIT, LOOKUP, GETATTR, OPEN, FLUSH = 26, 1, 3, 14, 25
ROOT = 1

folder, hangs_at_once, opens = sys.argv[1], sys.argv[2:] == ["all"], sys.argv[2:] == ["read"]
device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"dead", folder.encode(), b"fuse.dead", 0, options) != 0:
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
print("mounted", flush=True)


def reply(unique, body, error=0):
    os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


while True:
    try:
        request = os.read(device, 1 << 20)
    except OSError:
        break
    _, operation, unique, node = struct.unpack("<IIQQ", request[:24])
    if operation == INIT:
        (read_ahead,) = struct.unpack("<I", request[48:52])
        reply(unique, struct.pack("<IIIIHHIIHHI", 7, 31, read_ahead, 0, 12, 10, 1 << 17, 1, 0, 0, 0).ljust(64, b"\0"))
        print("ready", flush=True)
    elif operation == GETATTR and node == ROOT and not hangs_at_once:
        attributes = struct.pack("<QQQQQQIIIIIIIIII", 1, 4096, 8, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
        reply(unique, struct.pack("<QII", 0, 0, 0) + attributes)
    elif operation == LOOKUP and opens:
        attributes = struct.pack("<QQQQQQIIIIIIIIII", 2, 1 << 20, 2048, 0, 0, 0, 0, 0, 0, 0o100755, 1, 0, 0, 0, 4096, 0)
        reply(unique, struct.pack("<QQQQII", 2, 0, 3600, 3600, 0, 0) + attributes)
    elif operation == OPEN and opens:
        reply(unique, struct.pack("<QII", 1, 0, 0))
    elif operation == FLUSH and opens:
        reply(unique, b"", -errno.ENOSYS)
