//! `nova-probe`: looks at running services as a client does. grpc_integration_test.sh calls it where grpcurl is not installed.
//!
//! Prints one line for each check and ends with exit code 0 if all passed, 1 if any failed, 2 if it was called wrongly.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use errors::ErrorDetailsOf;
use futures::StreamExt;
use hdrhistogram::Histogram;
use protos::auth::v1::LoginRequest;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use test_harness::grpc_helpers::unexpected;
use test_harness::{GrpcConfig, GrpcTestError, Outcome, ServiceName};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// Looks at running Nova services: addresses come from AUTH_SERVICE_GRPC_URL, USER_SERVICE_GRPC_URL and
/// MESSAGING_SERVICE_GRPC_URL, the patience of each call from GRPC_REQUEST_TIMEOUT_SECS.
#[derive(Parser)]
#[command(name = "nova-probe", version)]
struct Arguments {
    /// What to check; all of it if nothing is named.
    #[arg(value_enum)]
    checks: Vec<Check>,
    /// Calls of the latency check.
    #[arg(long, env = "GRPC_LATENCY_CALLS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls: u32,
    /// Slowest p99 that passes, in milliseconds.
    #[arg(long, env = "GRPC_LATENCY_P99_MS", default_value_t = 250)]
    p99_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Each service accepts connections and is SERVING.
    Connectivity,
    /// Reflection lists each service and its RPCs.
    Endpoints,
    /// Refusals have their codes and reasons.
    Errors,
    /// Times a call that touches nothing but the service.
    Latency,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match GrpcConfig::from_env() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let checks = if arguments.checks.is_empty() { Check::value_variants() } else { &arguments.checks };
    let mut failed = 0;
    for service in ServiceName::ALL {
        for check in checks {
            let name = check.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            match run(*check, service, &config, &arguments).await {
                Ok(found) => println!("ok      {:<10} {name:<13} {found}", service.name()),
                Err(error) => {
                    failed += 1;
                    println!("FAILED  {:<10} {name:<13} {error}", service.name());
                }
            }
        }
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn run(check: Check, service: ServiceName, config: &GrpcConfig, arguments: &Arguments) -> Outcome<String> {
    let channel = config.connect(service).await?;
    let work = async {
        match check {
            Check::Connectivity => connectivity(channel, service, config.url(service)).await,
            Check::Endpoints => endpoints(channel, service).await,
            Check::Errors => errors(channel, service).await,
            Check::Latency => latency(channel, service, arguments).await,
        }
    };
    // The latency check makes many calls; each of them may take this long.
    let patience =
        if check == Check::Latency { config.request_timeout * arguments.calls } else { config.request_timeout };
    let what = || format!("the check of the {} service", service.name());
    tokio::time::timeout(patience, work).await.map_err(|_| GrpcTestError::TimedOut { what: what(), after: patience })?
}

async fn connectivity(channel: Channel, service: ServiceName, url: &str) -> Outcome<String> {
    let request = HealthCheckRequest { service: service.grpc().to_owned() };
    match HealthClient::new(channel).check(request).await?.into_inner().status() {
        ServingStatus::Serving => Ok(format!("{url} is SERVING")),
        other => Err(unexpected(format!("{url} is {}", other.as_str_name()))),
    }
}

async fn endpoints(channel: Channel, service: ServiceName) -> Outcome<String> {
    let pool =
        prost_reflect::DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).map_err(|e| unexpected(e.to_string()))?;
    let known = pool.get_service_by_name(service.grpc()).ok_or_else(|| unexpected("not among our own protos"))?;
    let ask = |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let requests = vec![
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(service.grpc().to_owned())),
    ];
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(futures::stream::iter(requests)).await?.into_inner();
    let mut next = async || Outcome::Ok(answers.next().await.transpose()?.and_then(|answer| answer.message_response));
    match next().await? {
        Some(MessageResponse::ListServicesResponse(list)) if list.service.iter().any(|s| s.name == service.grpc()) => {}
        other => return Err(unexpected(format!("{} is not listed: {other:?}", service.grpc()))),
    }
    match next().await? {
        Some(MessageResponse::FileDescriptorResponse(_)) => {
            let rpcs: Vec<String> = known.methods().map(|method| method.name().to_owned()).collect();
            Ok(format!("{} RPCs: {}", rpcs.len(), rpcs.join(" ")))
        }
        other => Err(unexpected(format!("{} can't be described: {other:?}", service.grpc()))),
    }
}

/// Calls an RPC with an empty request and no token.
async fn call(channel: Channel, service: ServiceName, rpc: &str) -> Outcome<Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|e| unexpected(e.to_string()))?;
    let path: PathAndQuery = format!("/{}/{rpc}", service.grpc()).parse().map_err(|_| unexpected("no path"))?;
    let answer = grpc.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await;
    Ok(answer.map_or_else(|status| status, |_| Status::ok("")))
}

fn expect(status: &Status, code: Code, reason: &str) -> Outcome {
    match (status.code(), status.reason()) {
        (c, Some(r)) if c == code && r == reason => Ok(()),
        (c, r) => Err(unexpected(format!(
            "{code:?} {reason} was due, not {c:?} {} ({})",
            r.unwrap_or_default(),
            status.message()
        ))),
    }
}

async fn errors(channel: Channel, service: ServiceName) -> Outcome<String> {
    expect(&call(channel.clone(), service, "NoSuchRpc").await?, Code::Unimplemented, "UNIMPLEMENTED")?;
    let private = match service {
        ServiceName::Auth => "GetUser",
        ServiceName::User => "GetUserProfile",
        ServiceName::Messaging => "ListConversations",
    };
    expect(&call(channel.clone(), service, private).await?, Code::Unauthenticated, "UNAUTHENTICATED")?;
    if service == ServiceName::Auth {
        let refused = AuthServiceClient::new(channel).login(LoginRequest::default()).await;
        let status = refused.map_or_else(|status| status, |_| Status::ok(""));
        expect(&status, Code::InvalidArgument, "INVALID_ARGUMENT")?;
        return Ok("UNIMPLEMENTED, UNAUTHENTICATED and INVALID_ARGUMENT with their reasons".to_owned());
    }
    Ok("UNIMPLEMENTED and UNAUTHENTICATED with their reasons".to_owned())
}

async fn latency(channel: Channel, service: ServiceName, arguments: &Arguments) -> Outcome<String> {
    let mut client = HealthClient::new(channel);
    let mut times = Histogram::<u64>::new(3).map_err(|e| unexpected(e.to_string()))?;
    for _ in 0..arguments.calls {
        let begun = Instant::now();
        client.check(HealthCheckRequest { service: service.grpc().to_owned() }).await?;
        times.saturating_record(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    let [p50, p99, worst] = [0.5, 0.99, 1.0].map(|q| Duration::from_micros(times.value_at_quantile(q)));
    let found = format!("{} calls, p50 {p50:?}, p99 {p99:?}, slowest {worst:?}", arguments.calls);
    if p99 <= Duration::from_millis(arguments.p99_ms) {
        Ok(found)
    } else {
        Err(unexpected(format!("p99 is above {} ms: {found}", arguments.p99_ms)))
    }
}
