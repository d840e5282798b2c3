"""Burns CPU in the interpreter: the hot function is the interpreter's own."""


def burn(count):
    total = 0
    for number in range(count):
        total += number * number
    return total


while True:
    burn(1000000)
