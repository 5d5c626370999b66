//! Every RPC of the three services, as anybody: whatever the message is, it is answered, and with no fault of the server. There is no
//! database, so what gets past its checks is UNAVAILABLE.
//!
//! The input is a line `nova.user.v1.UserService/FollowUser person`, then the message: in JSON if it begins with a brace, else as it
//! goes over the wire.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use nova_fuzz::{CALLERS, Services, block_on};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Code;

thread_local! {
    static SERVICES: Services = Services::new();
    static POOL: DescriptorPool = DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the build has checked them");
}

fn read(input: &[u8]) -> Option<(String, usize, Vec<u8>)> {
    let at = input.iter().position(|&byte| byte == b'\n')?;
    let (rpc, caller) = std::str::from_utf8(&input[..at]).ok()?.split_once(' ')?;
    let caller = CALLERS.iter().position(|known| *known == caller)?;
    let (service, name) = rpc.split_once('/')?;
    let service = POOL.with(|pool| pool.get_service_by_name(service))?;
    let method = service.methods().find(|method| method.name() == name)?;
    let rpc = format!("{}/{name}", service.full_name());
    let message = &input[at + 1..];
    if !message.starts_with(b"{") {
        return Some((rpc, caller, message.to_vec()));
    }
    let mut json = serde_json::Deserializer::from_slice(message);
    let message = DynamicMessage::deserialize(method.input(), &mut json).ok()?;
    Some((rpc, caller, message.encode_to_vec()))
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((rpc, caller, message)) = read(input) else { return Corpus::Reject };
    let length = u32::try_from(message.len()).expect("inputs are small");
    let frame = [&[0], &length.to_be_bytes()[..], &message].concat();
    let code = SERVICES.with(|services| block_on(services.call(&rpc, caller, Bytes::from(frame))));
    assert!(!matches!(code, Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented), "{rpc}: {code:?}");
    Corpus::Keep
});
