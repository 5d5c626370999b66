//! What must hold between the services, tried through the wire: against three services of this process, or with
//! `SERVICES_RUNNING=true` against those that GrpcConfig names. GRPC_INTEGRATION_TESTING_GUIDE.md says how to run it.

mod cross_service;
