//! The wire format, with buffers that fit Nova's messages.
//!
//! tonic reserves 8 KiB for each call's answer before it is known how long that is. Most of ours have a few hundred bytes, and a
//! stream of events keeps what it has reserved for as long as it is open.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// Reserved at first; it grows with what is written.
const BUFFER: usize = 512;
/// Bytes that are gathered before they are sent, as in tonic.
const YIELD_AT: usize = 32 * 1024;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct FittingCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for FittingCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for FittingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER, YIELD_AT))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER, YIELD_AT))
    }
}
