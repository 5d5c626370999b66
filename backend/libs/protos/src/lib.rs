//! What goes over the wire: modules generated from proto/services and proto/events, and the descriptors that reflection and REST are made of.

mod codec;

/// Generated code; the protos hold the documentation.
macro_rules! package {
    ($module:ident, $package:literal) => {
        #[expect(missing_docs, reason = "documented in proto/services")]
        pub mod $module {
            /// Version 1 of the API.
            #[expect(clippy::allow_attributes, reason = "generated")]
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
        impl errors::Reason for $module::v1::ErrorReason {
            fn name(&self) -> &'static str {
                self.as_str_name()
            }
        }
    };
}

package!(auth, "nova.auth.v1");
package!(user, "nova.user.v1");
package!(messaging, "nova.messaging.v1");

/// What services tell each other over the event bus.
#[expect(missing_docs, reason = "documented in proto/events")]
pub mod events {
    /// Version 1 of the events.
    pub mod v1 {
        tonic::include_proto!("nova.events.v1");
    }
}

/// The encoded `FileDescriptorSet` of every file, imports and comments included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nova.fds.bin"));
