//! Real PostgreSQL processes, killed and left in every way that a machine can. As root and as a normal user.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod crashes;
mod refusals;
mod starts;
mod world;

mod helper {
    //! Not a test: what [`crate::world::Supervisor`] runs in another process.

    #[tokio::test]
    async fn supervises_until_told_to_stop() {
        if let Some(home) = std::env::var_os("PGBOOT_TEST_HOME") {
            crate::world::supervise(home.into()).await;
        }
    }
}
