//! Every service answers, says that it does, and tells what it offers.

use futures::StreamExt;
use test_harness::{Outcome, ServiceName, World};
use tonic_health::pb::health_check_response::ServingStatus;

#[tokio::test]
async fn every_service_is_serving() -> Outcome {
    let world = World::start().await;
    for service in ServiceName::ALL {
        for name in ["", service.grpc()] {
            assert_eq!(world.health(service, name).await?, ServingStatus::Serving, "{name:?} of {service:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn health_of_an_unknown_service_is_not_found() {
    let world = World::start().await;
    for service in ServiceName::ALL {
        let error = world.health(service, "nova.auth.v1.NoSuchService").await.expect_err("unknown");
        assert!(error.to_string().starts_with("NotFound"), "{error}");
    }
}

/// The two versions of reflection differ in their packages only.
macro_rules! reflection {
    ($name:ident, $version:ident) => {
        #[tokio::test]
        async fn $name() -> Outcome {
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            let world = World::start().await;
            for service in ServiceName::ALL {
                let ask = |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
                let requests = futures::stream::iter([
                    ask(MessageRequest::ListServices(String::new())),
                    ask(MessageRequest::FileContainingSymbol(service.grpc().to_owned())),
                ]);
                let mut client = ServerReflectionClient::new(world.channel(service));
                let mut answers = client.server_reflection_info(requests).await?.into_inner();

                let listed = answers.next().await.expect("an answer")?.message_response;
                let Some(MessageResponse::ListServicesResponse(listed)) = listed else { panic!("{listed:?}") };
                let names: Vec<&str> = listed.service.iter().map(|service| service.name.as_str()).collect();
                assert!(names.contains(&service.grpc()), "{service:?}: {names:?}");
                assert!(names.contains(&"grpc.health.v1.Health"), "{service:?}: {names:?}");

                let file = answers.next().await.expect("an answer")?.message_response;
                let Some(MessageResponse::FileDescriptorResponse(file)) = file else { panic!("{file:?}") };
                assert!(!file.file_descriptor_proto.is_empty(), "{service:?}");
            }
            Ok(())
        }
    };
}

reflection!(reflection_v1_lists_each_service, v1);
reflection!(reflection_v1alpha_lists_each_service, v1alpha);
