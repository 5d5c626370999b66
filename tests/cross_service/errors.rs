//! Errors and time-outs: every refusal has its code, its reason and, where a field is at fault, its name.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use errors::ErrorDetailsOf;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use protos::auth::v1::{GetUserRequest, LoginRequest, RegisterRequest};
use protos::messaging::v1::{CreateConversationRequest, GetMessagesRequest, ListConversationsRequest};
use protos::user::v1::{GetUserProfileRequest, SearchUsersRequest, UpdateUserSettingsRequest};
use test_harness::grpc_helpers::unexpected;
use test_harness::{Link, Outcome, Refusal, ServiceName, World};
use testkit::{assert_reason, check_status};
use tokio::net::TcpStream;
use tonic::{Code, Status};

/// A call by a client that keeps no time of its own, so that what comes back is what the service says.
async fn raw_call(address: SocketAddr, path: &str, headers: &[(&str, &str)], message: &[u8]) -> Outcome<Status> {
    let failed = |e: &dyn std::fmt::Display| unexpected(format!("{path}: {e}"));
    let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    let length = u32::try_from(message.len()).expect("short messages");
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    let mut request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(frame))).map_err(|e| failed(&e))?;
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Ok(status);
    }
    let body = response.into_body().collect().await.map_err(|e| failed(&e))?;
    let trailers = body.trailers().ok_or_else(|| unexpected(format!("{path}: no trailers")))?;
    Status::from_header_map(trailers).ok_or_else(|| unexpected(format!("{path}: no status")))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_deadline_is_kept_by_the_service() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let message = GetUserProfileRequest { user_id: ada.id.clone() }.encode_to_vec();
    let address = world.address(ServiceName::User).await?;
    let path = "/nova.user.v1.UserService/GetUserProfile";
    let token = bearer(&ada.tokens.access_token);
    let with = |timeout| [("authorization", token.as_str()), ("grpc-timeout", timeout)];

    let status = raw_call(address, path, &with("1n"), &message).await?;
    assert_reason(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let status = raw_call(address, path, &with("5S"), &message).await?;
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    Ok(())
}

#[tokio::test]
async fn a_peer_that_hangs_does_not_hold_a_call_beyond_its_deadline() -> Outcome {
    let world = World::own().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    world.set_link(ServiceName::User, Link::Stalled)?;
    let mut request = CreateConversationRequest { member_ids: vec![bob.id.clone()], ..Default::default() };
    request.set_type(protos::messaging::v1::conversation::Type::Direct);
    let address = world.address(ServiceName::Messaging).await?;
    let token = bearer(&ada.tokens.access_token);
    let headers = [("authorization", token.as_str()), ("grpc-timeout", "300m")];
    let message = request.encode_to_vec();
    let call = raw_call(address, "/nova.messaging.v1.MessagingService/CreateConversation", &headers, &message);
    let status = tokio::time::timeout(Duration::from_secs(3), call).await.expect("an answer in time")?;
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable), "{status:?}");
    check_status(&status);
    Ok(())
}

#[tokio::test]
async fn bad_input_names_the_field_in_every_service() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let (mut auth, mut user, mut messaging) =
        (ada.clients.auth.clone(), ada.clients.user.clone(), ada.clients.messaging.clone());

    let register = RegisterRequest {
        username: "a b".to_owned(),
        email: "nowhere".to_owned(),
        password: "short".to_owned(),
        display_name: Some(String::new()),
    };
    let refused = auth.register(register).await.refused(Code::InvalidArgument, "INVALID_ARGUMENT");
    let mut fields = refused.violated_fields();
    fields.sort();
    for field in ["email", "password", "username"] {
        assert!(fields.iter().any(|f| f == field), "all faults at once, not only {fields:?}");
    }
    auth.get_user(GetUserRequest { user_id: "me?".to_owned() }).await.refused_field("user_id");
    auth.login(LoginRequest::default()).await.refused_field("identifier");

    user.get_user_profile(GetUserProfileRequest { user_id: "42".to_owned() }).await.refused_field("user_id");
    let search = |query: &str, limit, offset| SearchUsersRequest {
        query: query.to_owned(),
        limit,
        offset,
        ..Default::default()
    };
    user.search_users(search("", 0, 0)).await.refused_field("query");
    user.search_users(search("x", -1, 0)).await.refused_field("limit");
    user.search_users(search("x", 0, 10_001)).await.refused(Code::OutOfRange, "OFFSET_TOO_LARGE");
    let settings = |timezone: &str| UpdateUserSettingsRequest {
        user_id: ada.id.clone(),
        timezone: Some(timezone.to_owned()),
        ..Default::default()
    };
    user.update_user_settings(settings("Mars/Olympus_Mons")).await.refused_field("timezone");

    messaging.create_conversation(CreateConversationRequest::default()).await.refused_field("type");
    let page = |conversation_id: &str| GetMessagesRequest {
        conversation_id: conversation_id.to_owned(),
        ..Default::default()
    };
    messaging.get_messages(page("")).await.refused_field("conversation_id");
    let list = ListConversationsRequest { page_token: "not one of ours".to_owned(), ..Default::default() };
    messaging.list_conversations(list).await.refused(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let absent = "01890000-0000-7000-8000-000000000000";
    messaging.get_messages(page(absent)).await.refused(Code::NotFound, "CONVERSATION_NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() -> Outcome {
    let world = World::start().await;
    for token in ["", "no.token.atall"] {
        let mut nobody = world.clients(token);
        let code = Code::Unauthenticated;
        nobody.auth.get_user(GetUserRequest::default()).await.refused(code, "UNAUTHENTICATED");
        nobody.user.get_user_profile(GetUserProfileRequest::default()).await.refused(code, "UNAUTHENTICATED");
        nobody.messaging.list_conversations(ListConversationsRequest::default()).await.refused(code, "UNAUTHENTICATED");
    }
    Ok(())
}

#[tokio::test]
async fn an_rpc_that_does_not_exist_and_a_body_that_is_none_are_explained() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let token = bearer(&ada.tokens.access_token);
    for (service, method) in
        [(ServiceName::Auth, "GetUser"), (ServiceName::User, "GetUserProfile"), (ServiceName::Messaging, "GetMessages")]
    {
        let address = world.address(service).await?;
        let headers = [("authorization", token.as_str())];
        let status = raw_call(address, &format!("/{}/NoSuchRpc", service.grpc()), &headers, &[]).await?;
        assert_reason(&status, Code::Unimplemented, "UNIMPLEMENTED");
        // field 1, length 100, and nothing behind it
        let status = raw_call(address, &format!("/{}/{method}", service.grpc()), &headers, &[0x0a, 100, b'x']).await?;
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
    Ok(())
}

#[tokio::test]
async fn provided_services_are_never_stopped_by_a_test() {
    let world = World::start().await;
    if world.is_provided() {
        let refused = world.restart().await.expect_err("they are not ours");
        assert!(refused.to_string().contains("World::own()"), "{refused}");
        world.database(ServiceName::Auth).map(drop).expect_err("not ours either");
    } else {
        world.database(ServiceName::Auth).map(drop).expect("services of this process have databases of this process");
    }
}
