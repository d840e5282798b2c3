//! What `crictl` printed on real nodes, sent as a runtime would send it, comes out as `crictl` printed it.

use freezeframe_bundle::Outcome;

use super::message::{Field, Kind};
use super::tests::{answer, server, work};
use super::{Method, wire};

/// A message from its JSON, by the same table; what has its default is not sent.
fn encode(fields: &'static [Field], value: &serde_json::Value) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in value.as_object().unwrap() {
        let field = fields.iter().find(|field| field.name == name);
        let field = field.unwrap_or_else(|| panic!("no field {name}"));
        let values = if field.is_list() {
            value.as_array().unwrap().clone()
        } else {
            vec![value.clone()]
        };
        for value in values {
            put(&mut message, field, &value);
        }
    }
    message
}

fn put(message: &mut Vec<u8>, field: &Field, value: &serde_json::Value) {
    let number = field.number();
    match field.kind() {
        Kind::Text => {
            if !value.as_str().unwrap().is_empty() || field.is_list() {
                put_long(message, number, value.as_str().unwrap().as_bytes());
            }
        }
        Kind::Map => {
            for (name, value) in value.as_object().unwrap() {
                let mut entry = Vec::new();
                wire::put_bytes(&mut entry, 1, name.as_bytes());
                wire::put_bytes(&mut entry, 2, value.as_str().unwrap().as_bytes());
                put_long(message, number, &entry);
            }
        }
        Kind::Message(fields) => put_long(message, number, &encode(fields, value)),
        Kind::Enum(names) => {
            let name = value.as_str().unwrap();
            let place = names.iter().position(|known| *known == name).unwrap();
            put_number(message, number, place as u64);
        }
        Kind::Bool => put_number(message, number, value.as_bool().unwrap().into()),
        Kind::Int32 | Kind::Uint32 => {
            put_number(message, number, value.as_i64().unwrap() as u64);
        }
        Kind::Int64 | Kind::Uint64 => {
            let text = value.as_str().unwrap();
            let signed = text.parse::<i64>().map(|n| n as u64);
            put_number(message, number, signed.or_else(|_| text.parse()).unwrap());
        }
        Kind::Double | Kind::Info => panic!("not in these"),
    }
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn put_number(message: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_varint(message, u64::from(field) << 3);
        put_varint(message, number);
    }
}

fn put_long(message: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(message, u64::from(field) << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

#[test]
fn answers_have_the_shape_that_crictl_gives_them() {
    let methods = [
        Method::ListPodSandbox,
        Method::ListContainers,
        Method::ListImages,
        Method::ListContainerStats,
        Method::ListPodSandboxStats,
        Method::ImageFsInfo,
    ];
    let mut compared = 0;
    for (node, method) in ["kubelet-1.20", "kubelet-1.36"]
        .iter()
        .flat_map(|node| methods.map(|method| (node, method)))
    {
        let member = method.of_all().member().unwrap();
        let name = member.replace("cri/", "");
        let path = format!(
            "{}/../testdata/crictl/{node}/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        let Ok(text) = std::fs::read_to_string(&path) else {
            // This runtime gave no statistics of pods in time.
            assert_eq!(
                (*node, method),
                ("kubelet-1.36", Method::ListPodSandboxStats)
            );
            continue;
        };
        let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
        let inner = recorded.get("status").unwrap_or(&recorded);
        let message = encode(method.answer(), inner);
        let folder = server(vec![answer(1, &message)]);
        let part = work(folder.path(), &[method.of_all()], 1, 1 << 20)
            .pop()
            .unwrap();
        assert_eq!(part.outcome, Outcome::Complete);
        let ours: serde_json::Value = serde_json::from_slice(&part.json).unwrap();
        assert_eq!(ours, recorded, "{path}");
        compared += 1;
    }
    assert_eq!(compared, 11);
}
