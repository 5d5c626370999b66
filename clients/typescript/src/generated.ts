// Made from proto/services by `cargo xtask typescript`: change the protos, not this file.

import type { CallOptions, Route } from "./call.js";

/** A whole number of 64 bits as a text, as proto3 JSON has it: a JavaScript number cannot hold them all. */
export type Int64 = string;

/**
 * Knows who somebody is: accounts, passwords, second factors, sessions, tokens, roles.
 *
 * Access tokens are JWTs (RS256 or EdDSA, 15 minutes unless configured otherwise) whose public keys are at
 * `/.well-known/jwks.json`. Refresh tokens are opaque, good for one use and 30 days.
 */
export interface AuthService {
  /**
   * Creates an account and logs it in. Its profile can be read as soon as this has answered.
   *
   * Who: anyone. Not idempotent: a repeat is ALREADY_EXISTS.
   * Reasons: USERNAME_TAKEN, EMAIL_TAKEN (both ALREADY_EXISTS), OVERLOADED (too many passwords are being hashed).
   */
  register(request?: RegisterRequest, options?: CallOptions): Promise<RegisterResponse>;

  /**
   * Opens a session with a password and, if the account has a second factor, a code.
   *
   * An unknown name, a wrong password and an account without one can't be told apart, by text or by time. A number of
   * failures in a row (5 unless configured otherwise) locks the log-in for a while (15 minutes), for unknown names too.
   *
   * Failures by user name and by e-mail count together for the account, but ACCOUNT_LOCKED is said only of the one that was
   * failed with: through the other one the account answers INVALID_CREDENTIALS meanwhile, to the right password too, so that
   * a lock-out does not tell which e-mail belongs to which name.
   *
   * Who: anyone. Not idempotent: each call opens a session.
   * Reasons: INVALID_CREDENTIALS, TOTP_REQUIRED, TOTP_INVALID (UNAUTHENTICATED); ACCOUNT_DISABLED (PERMISSION_DENIED, only
   * after the right password); ACCOUNT_LOCKED, OVERLOADED (RESOURCE_EXHAUSTED with RetryInfo).
   */
  login(request?: LoginRequest, options?: CallOptions): Promise<LoginResponse>;

  /**
   * Exchanges a refresh token for new tokens of the same session.
   *
   * A refresh token is good for one use. A repeat within 10 seconds (two tabs, a lost reply) gets the same successor and a
   * fresh access token; a later one, however late, ends the session, for then somebody else may hold the token.
   *
   * Who: the holder of the token; no access token is wanted.
   * Reasons: REFRESH_TOKEN_INVALID, REFRESH_TOKEN_EXPIRED, REFRESH_TOKEN_REUSED, TOKEN_REVOKED (UNAUTHENTICATED);
   * ACCOUNT_DISABLED (PERMISSION_DENIED).
   */
  refreshToken(request?: RefreshTokenRequest, options?: CallOptions): Promise<RefreshTokenResponse>;

  /**
   * Ends the session that the access token belongs to. Every service refuses its tokens within a second.
   *
   * Who: a logged-in person. Idempotent: a token of a session that has ended already is accepted here, until it expires.
   */
  logout(request?: LogoutRequest, options?: CallOptions): Promise<LogoutResponse>;

  /**
   * Lists the live sessions of a person, newest first.
   *
   * Who: that person, a service, an administrator. Idempotent.
   * Reasons: PAGE_TOKEN_INVALID (INVALID_ARGUMENT).
   */
  listSessions(request?: ListSessionsRequest, options?: CallOptions): Promise<ListSessionsResponse>;

  /**
   * Ends one session.
   *
   * Who: the person whose session it is, a service, an administrator; for all others the session does not exist. Idempotent.
   * Reasons: SESSION_NOT_FOUND (NOT_FOUND).
   */
  revokeSession(request: RevokeSessionRequest, options?: CallOptions): Promise<RevokeSessionResponse>;

  /**
   * Ends all sessions of a person, or all but the one that calls.
   *
   * Who: that person, a service, an administrator. Idempotent.
   */
  revokeAllSessions(request?: RevokeAllSessionsRequest, options?: CallOptions): Promise<RevokeAllSessionsResponse>;

  /**
   * Replaces the password. Every other session of the person ends.
   *
   * Wrong current passwords in a row lock this call and DeleteAccount for the session that they came from, as they would a
   * log-in; failed log-ins do not.
   *
   * Who: that person and nobody else. Not idempotent.
   * Reasons: INVALID_CREDENTIALS (UNAUTHENTICATED); ACCOUNT_LOCKED, OVERLOADED (RESOURCE_EXHAUSTED).
   */
  changePassword(request?: ChangePasswordRequest, options?: CallOptions): Promise<ChangePasswordResponse>;

  /**
   * Sends a mail with a password reset token, good for one hour, if an account has this e-mail. The answer is the same, and
   * takes the same time, if none has. Asking again invalidates the former token; within a minute it does nothing.
   *
   * Who: anyone. Idempotent but for the mail.
   * Reasons: OVERLOADED (RESOURCE_EXHAUSTED: too many mails are waiting).
   */
  requestPasswordReset(request?: RequestPasswordResetRequest, options?: CallOptions): Promise<RequestPasswordResetResponse>;

  /**
   * Sets a new password with the token of a reset mail. Every session of the person ends, a lock-out is lifted, and the
   * e-mail counts as verified. A second factor stays in force.
   *
   * Who: anyone who holds the token. Not idempotent: the token is good for one use.
   * Reasons: ONE_TIME_TOKEN_INVALID (FAILED_PRECONDITION), OVERLOADED (RESOURCE_EXHAUSTED).
   */
  resetPassword(request?: ResetPasswordRequest, options?: CallOptions): Promise<ResetPasswordResponse>;

  /**
   * Sends a mail with an e-mail verification token, good for 24 hours. Asking again invalidates the former token; within a
   * minute it does nothing.
   *
   * Who: that person and nobody else. Idempotent but for the mail.
   * Reasons: EMAIL_ALREADY_VERIFIED (FAILED_PRECONDITION), OVERLOADED (RESOURCE_EXHAUSTED: too many mails are waiting).
   */
  sendEmailVerification(request?: SendEmailVerificationRequest, options?: CallOptions): Promise<SendEmailVerificationResponse>;

  /**
   * Marks the e-mail as verified with the token of a verification mail.
   *
   * Who: anyone who holds the token. Not idempotent: the token is good for one use.
   * Reasons: ONE_TIME_TOKEN_INVALID (FAILED_PRECONDITION).
   */
  verifyEmail(request?: VerifyEmailRequest, options?: CallOptions): Promise<VerifyEmailResponse>;

  /**
   * Makes a secret for an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds). It is in force only after
   * ConfirmTotp; beginning again replaces an unconfirmed secret.
   *
   * Who: a logged-in person, for themself.
   * Reasons: TOTP_ALREADY_ENABLED (FAILED_PRECONDITION).
   */
  beginTotpEnrollment(request?: BeginTotpEnrollmentRequest, options?: CallOptions): Promise<BeginTotpEnrollmentResponse>;

  /**
   * Puts the second factor into force, once the app shows the right code, and hands out the recovery codes.
   *
   * Wrong codes in a row lock this call and DisableTotp for the session that they came from, as they would a log-in.
   *
   * Who: a logged-in person, for themself. Not idempotent: the recovery codes are shown once.
   * Reasons: TOTP_INVALID (UNAUTHENTICATED); TOTP_NOT_STARTED, TOTP_ALREADY_ENABLED (FAILED_PRECONDITION); ACCOUNT_LOCKED,
   * OVERLOADED (RESOURCE_EXHAUSTED).
   */
  confirmTotp(request?: ConfirmTotpRequest, options?: CallOptions): Promise<ConfirmTotpResponse>;

  /**
   * Removes the second factor and its recovery codes.
   *
   * Wrong codes in a row lock this call and ConfirmTotp for the session that they came from, as they would a log-in.
   *
   * Who: a logged-in person, for themself. Not idempotent.
   * Reasons: TOTP_INVALID (UNAUTHENTICATED), TOTP_NOT_ENABLED (FAILED_PRECONDITION), ACCOUNT_LOCKED, OVERLOADED
   * (RESOURCE_EXHAUSTED).
   */
  disableTotp(request?: DisableTotpRequest, options?: CallOptions): Promise<DisableTotpResponse>;

  /**
   * Deletes an account: its sessions end, its password, second factor and e-mail are erased, its profile disappears. The
   * user name stays taken, so that nobody can pose as the person who left.
   *
   * Who: that person with the password, an administrator without it. Idempotent.
   * Reasons: INVALID_CREDENTIALS (UNAUTHENTICATED), USER_NOT_FOUND (NOT_FOUND), LAST_ADMIN (FAILED_PRECONDITION),
   * ACCOUNT_LOCKED, OVERLOADED (RESOURCE_EXHAUSTED).
   */
  deleteAccount(request?: DeleteAccountRequest, options?: CallOptions): Promise<DeleteAccountResponse>;

  /**
   * Gives a service the access token that it calls other services with.
   *
   * Who: anyone who has a client's secret. Idempotent but for the token.
   * Reasons: CLIENT_CREDENTIALS_INVALID (UNAUTHENTICATED).
   */
  issueServiceToken(request?: IssueServiceTokenRequest, options?: CallOptions): Promise<IssueServiceTokenResponse>;

  /**
   * Lists accounts, newest first.
   *
   * Who: an administrator. Idempotent.
   * Reasons: PAGE_TOKEN_INVALID (INVALID_ARGUMENT), OFFSET_TOO_LARGE (OUT_OF_RANGE).
   */
  listUsers(request?: ListUsersRequest, options?: CallOptions): Promise<ListUsersResponse>;

  /**
   * Gives a person a role. It is in the access tokens issued from then on.
   *
   * Who: an administrator. Idempotent.
   * Reasons: USER_NOT_FOUND (NOT_FOUND).
   */
  grantRole(request: GrantRoleRequest, options?: CallOptions): Promise<GrantRoleResponse>;

  /**
   * Takes a role from a person. If they had it, all their sessions end, so that no token carries it any more.
   *
   * Who: an administrator. Idempotent.
   * Reasons: USER_NOT_FOUND (NOT_FOUND), LAST_ADMIN (FAILED_PRECONDITION).
   */
  revokeRole(request: RevokeRoleRequest, options?: CallOptions): Promise<RevokeRoleResponse>;

  /**
   * Lists security events, newest first: log-ins and failed ones, passwords, second factors, sessions, roles, keys, accounts,
   * and what administrators read of others. docs/AUDIT.md says of each kind when it is written and with which details.
   *
   * A person sees the events that concern themself. Of what others did – an administrator, a service, the operator – they see
   * that and when, not who it was nor from where; ADMIN_READ, SERVICE_TOKEN and SIGNING_KEY_ROTATION are for administrators
   * alone. That an administrator looked at others' events is an event too.
   *
   * Who: that person, an administrator; no service. Idempotent, but for the event that it is.
   * Reasons: PAGE_TOKEN_INVALID (INVALID_ARGUMENT).
   */
  listAuditEvents(request?: ListAuditEventsRequest, options?: CallOptions): Promise<ListAuditEventsResponse>;

  /**
   * Registers an address that events are sent to from now on: docs/WEBHOOKS.md says what is sent and how to check it.
   *
   * The answer is the only one that has the secret which deliveries are signed with.
   *
   * Who: an administrator. Not idempotent: each call makes a webhook.
   * Reasons: WEBHOOK_LIMIT_REACHED (FAILED_PRECONDITION).
   */
  createWebhook(request?: CreateWebhookRequest, options?: CallOptions): Promise<CreateWebhookResponse>;

  /**
   * Lists webhooks, newest first.
   *
   * Who: an administrator. Idempotent.
   * Reasons: PAGE_TOKEN_INVALID (INVALID_ARGUMENT).
   */
  listWebhooks(request?: ListWebhooksRequest, options?: CallOptions): Promise<ListWebhooksResponse>;

  /**
   * Returns a webhook.
   *
   * Who: an administrator. Idempotent.
   * Reasons: WEBHOOK_NOT_FOUND (NOT_FOUND).
   */
  getWebhook(request: GetWebhookRequest, options?: CallOptions): Promise<GetWebhookResponse>;

  /**
   * Changes the fields of a webhook that are set. Enabling one lets what waits for it be sent.
   *
   * Who: an administrator. Idempotent unless `expectedVersion` is given.
   * Reasons: WEBHOOK_NOT_FOUND (NOT_FOUND), VERSION_CONFLICT (ABORTED).
   */
  updateWebhook(request: UpdateWebhookRequest, options?: CallOptions): Promise<UpdateWebhookResponse>;

  /**
   * Removes a webhook. What waits for it is not sent any more, and its deliveries are not shown any more.
   *
   * Who: an administrator. Idempotent.
   */
  deleteWebhook(request: DeleteWebhookRequest, options?: CallOptions): Promise<DeleteWebhookResponse>;

  /**
   * Makes a new secret. For a while (24 hours unless configured otherwise) deliveries have two signatures, one of the old secret
   * too, so that the receiver can change over without missing any. The answer is the only one that has the new secret.
   *
   * Who: an administrator. Not idempotent: each call makes a secret, and the one before the last is void at once.
   * Reasons: WEBHOOK_NOT_FOUND (NOT_FOUND).
   */
  rotateWebhookSecret(request: RotateWebhookSecretRequest, options?: CallOptions): Promise<RotateWebhookSecretResponse>;

  /**
   * Sends an event of type `nova.webhook.test.v1` to a webhook, whatever types it wants. The delivery says what came of it; ask
   * for it with GetWebhookDelivery until it is not PENDING any more or has an attempt.
   *
   * Who: an administrator. Not idempotent: each call makes a delivery.
   * Reasons: WEBHOOK_NOT_FOUND (NOT_FOUND), WEBHOOK_DISABLED (FAILED_PRECONDITION).
   */
  sendTestEvent(request: SendTestEventRequest, options?: CallOptions): Promise<SendTestEventResponse>;

  /**
   * Lists deliveries, newest first: of a webhook or of all, in a state or in any. They are kept for 14 days unless configured
   * otherwise.
   *
   * Who: an administrator. Idempotent.
   * Reasons: PAGE_TOKEN_INVALID (INVALID_ARGUMENT).
   */
  listWebhookDeliveries(request?: ListWebhookDeliveriesRequest, options?: CallOptions): Promise<ListWebhookDeliveriesResponse>;

  /**
   * Returns a delivery with what was sent and every attempt.
   *
   * Who: an administrator. Idempotent.
   * Reasons: WEBHOOK_DELIVERY_NOT_FOUND (NOT_FOUND).
   */
  getWebhookDelivery(request: GetWebhookDeliveryRequest, options?: CallOptions): Promise<GetWebhookDeliveryResponse>;

  /**
   * Sends a delivery again, whatever became of it: the same body with the same `webhook-id`. One that waits is tried at once,
   * but after those of its aggregate that wait before it.
   *
   * Who: an administrator. Not idempotent: each call sends it once more.
   * Reasons: WEBHOOK_DELIVERY_NOT_FOUND (NOT_FOUND), WEBHOOK_DISABLED (FAILED_PRECONDITION).
   */
  replayWebhookDelivery(request: ReplayWebhookDeliveryRequest, options?: CallOptions): Promise<ReplayWebhookDeliveryResponse>;

  /**
   * Sends again what was made for a webhook since a time and, unless `delivered` is set, has not arrived; in its order, the same
   * bodies with the same `webhook-id`s.
   *
   * Who: an administrator. Not idempotent if `delivered` is set.
   * Reasons: WEBHOOK_NOT_FOUND (NOT_FOUND), WEBHOOK_DISABLED (FAILED_PRECONDITION).
   */
  replayWebhookDeliveries(request: ReplayWebhookDeliveriesRequest, options?: CallOptions): Promise<ReplayWebhookDeliveriesResponse>;
}

/**
 * Who people are and how they stand to each other. The service owns profiles, settings, follows and blocks; accounts, e-mail
 * addresses and passwords belong to nova.auth.v1.AuthService.
 */
export interface UserService {
  /**
   * Reads one profile.
   *
   * Who: any user, service or administrator. A profile exists as soon as Register of the auth service has answered.
   * Reasons: NOT_FOUND USER_NOT_FOUND if there is no such user, the account is deleted, or that user has blocked the caller:
   * this answer is the same for the three. Who blocked somebody still sees that profile.
   * UNAVAILABLE if the profile is not here yet and the auth service cannot be asked.
   */
  getUserProfile(request: GetUserProfileRequest, options?: CallOptions): Promise<GetUserProfileResponse>;

  /**
   * Reads many profiles in one call.
   *
   * Who: any user, service or administrator.
   * Ids that nobody has, those of deleted accounts and of users who have blocked the caller are left out of the answer; an id
   * may be named more than once.
   * Reasons: INVALID_ARGUMENT for no id, more than 100 ids (configurable) or a malformed one.
   */
  getUserProfilesByIds(request?: GetUserProfilesByIdsRequest, options?: CallOptions): Promise<GetUserProfilesByIdsResponse>;

  /**
   * Changes the fields of a profile that are set in the request and leaves the others as they are. A set field may be empty
   * or `false`: that clears it. With no field set nothing changes, the version neither.
   *
   * Who: the profile's owner, a service or an administrator.
   * Becoming public (`private` from true to false) leaves pending follow requests as they are: each stays a request until it is
   * answered, or becomes a follow when its follower calls FollowUser again. Becoming private keeps the followers there are.
   * Reasons: ABORTED VERSION_CONFLICT (metadata `current_version`) if `expectedVersion` is neither 0 nor the profile's version;
   * NOT_FOUND USER_NOT_FOUND; PERMISSION_DENIED.
   */
  updateUserProfile(request: UpdateUserProfileRequest, options?: CallOptions): Promise<UpdateUserProfileResponse>;

  /**
   * Reads a user's settings; who never changed any has the defaults that UserSettings names, as version 1.
   *
   * Who: the user, a service or an administrator. Reasons: NOT_FOUND USER_NOT_FOUND; PERMISSION_DENIED.
   */
  getUserSettings(request: GetUserSettingsRequest, options?: CallOptions): Promise<GetUserSettingsResponse>;

  /**
   * Changes the settings that are set in the request and leaves the others as they are. With none set nothing changes, the
   * version neither.
   *
   * Who: the user, a service or an administrator.
   * A new `allowMessages` holds for every direct message sent after the answer (within a second where the messaging service
   * runs as another process).
   * Reasons: ABORTED VERSION_CONFLICT (metadata `current_version`); NOT_FOUND USER_NOT_FOUND; PERMISSION_DENIED.
   */
  updateUserSettings(request: UpdateUserSettingsRequest, options?: CallOptions): Promise<UpdateUserSettingsResponse>;

  /**
   * Follows a user; of a private account, asks to (the answer then says PENDING, and the request waits in ListFollowRequests).
   *
   * Who: the follower, a service or an administrator. Idempotent: following again changes nothing, except that a request
   * becomes a follow if the account is public by now.
   * Reasons: INVALID_ARGUMENT for following oneself; FAILED_PRECONDITION USER_BLOCKED if either has blocked the other (the same
   * answer to both; it does not say who has); NOT_FOUND USER_NOT_FOUND; PERMISSION_DENIED; ABORTED CONFLICT (lost a race: call
   * again).
   */
  followUser(request: FollowUserRequest, options?: CallOptions): Promise<FollowUserResponse>;

  /**
   * Ends a follow, or withdraws a request to follow.
   *
   * Who: the follower, a service or an administrator. Idempotent: without a follow, and even without such a user, nothing
   * changes and the answer is the same.
   * Reasons: INVALID_ARGUMENT for oneself; PERMISSION_DENIED; ABORTED CONFLICT (lost a race: call again).
   */
  unfollowUser(request: UnfollowUserRequest, options?: CallOptions): Promise<UnfollowUserResponse>;

  /**
   * Blocks a user: ends follows and requests in both directions, stops new ones and direct messages both ways, and hides each
   * from the other's search and lists, and the blocker's profile from the blocked. What is refused because of it (FollowUser here;
   * CreateConversation and SendMessage of the messaging service) is refused as USER_BLOCKED to both, without saying who blocked.
   *
   * Who: the blocker, a service or an administrator. Idempotent.
   * In one process with the messaging service, no direct message between the two is accepted or stored once this has answered OK:
   * it waits for those that are being stored, up to the call's own deadline. Where the messaging service is another process it is
   * told before the answer and waited for up to half a second; a replica that could not be told refuses such messages within a
   * second of the block all the same, so that does not fail the call.
   * Reasons: INVALID_ARGUMENT for blocking oneself; NOT_FOUND USER_NOT_FOUND; PERMISSION_DENIED; ABORTED CONFLICT (lost a race:
   * call again). UNAVAILABLE also if that wait was not over in time: then the block is there and a direct message that was
   * accepted before it may still be stored. The same holds for DEADLINE_EXCEEDED. A repeat changes nothing and waits again.
   */
  blockUser(request: BlockUserRequest, options?: CallOptions): Promise<BlockUserResponse>;

  /**
   * Takes a block back. Follows that it ended do not come back.
   *
   * Who: the blocker, a service or an administrator. Idempotent: without a block, and even without such a user, nothing changes
   * and the answer is the same. Reasons: INVALID_ARGUMENT for oneself; PERMISSION_DENIED; ABORTED CONFLICT (lost a race: call
   * again).
   */
  unblockUser(request: UnblockUserRequest, options?: CallOptions): Promise<UnblockUserResponse>;

  /**
   * Lists who follows a user, the latest follow first.
   *
   * Who: any user if the account is not `private` and its privacyLevel is PUBLIC; its followers unless the level is PRIVATE; the
   * user, services and administrators always. Users across a block from the caller (either way) are left out of the list.
   * Reasons: PERMISSION_DENIED LIST_PRIVATE; NOT_FOUND USER_NOT_FOUND as in GetUserProfile; OUT_OF_RANGE OFFSET_TOO_LARGE;
   * INVALID_ARGUMENT PAGE_TOKEN_INVALID.
   */
  getUserFollowers(request: GetUserFollowersRequest, options?: CallOptions): Promise<GetUserFollowersResponse>;

  /** Lists whom a user follows, the latest follow first. Everything else as in GetUserFollowers. */
  getUserFollowing(request: GetUserFollowingRequest, options?: CallOptions): Promise<GetUserFollowingResponse>;

  /**
   * Tells how `userId1` stands to `userId2`, as `userId1` may know it.
   *
   * Who: one of the two (each may ask for either order), a service or an administrator. A block shows as BLOCKED to who made it
   * and asks as `userId1`, and to services and administrators; to anybody else it shows as NONE.
   * Reasons: INVALID_ARGUMENT for twice the same user; NOT_FOUND USER_NOT_FOUND if one of them does not exist or is deleted;
   * PERMISSION_DENIED.
   */
  checkUserRelationship(request: CheckUserRelationshipRequest, options?: CallOptions): Promise<CheckUserRelationshipResponse>;

  /**
   * Searches users by user name and display name, without regard to case. `%` and `_` mean themselves.
   *
   * Who: any user, service or administrator.
   * Finds names that contain the query and, if the query is made of letters, digits and spaces alone, names that are similar to
   * it (trigrams). A query without three letters or digits in a row finds names that begin with it, and of those only the first
   * 1,000 user names and the first 1,000 display names in the order of their characters (the name that it is comes first of all):
   * those are ranked as below, the rest is not found. The pages of such a query come to their end like any others.
   * Order: the user whose user name it is; user names that begin with it; then by similarity; within each of these by similarity,
   * follower count, id. Users across a block from the caller (either way) and deleted ones are left out.
   * Reasons: OUT_OF_RANGE OFFSET_TOO_LARGE; INVALID_ARGUMENT PAGE_TOKEN_INVALID.
   */
  searchUsers(request?: SearchUsersRequest, options?: CallOptions): Promise<SearchUsersResponse>;

  /**
   * Lists whom a user has blocked, the latest block first. Deleted accounts are left out.
   *
   * Who: the blocker, a service or an administrator. Reasons: INVALID_ARGUMENT PAGE_TOKEN_INVALID; PERMISSION_DENIED.
   */
  listBlockedUsers(request: ListBlockedUsersRequest, options?: CallOptions): Promise<ListBlockedUsersResponse>;

  /**
   * Lists who has asked to follow a user and waits for an answer, the latest request first.
   *
   * Who: the user asked, a service or an administrator. Reasons: INVALID_ARGUMENT PAGE_TOKEN_INVALID; PERMISSION_DENIED.
   */
  listFollowRequests(request: ListFollowRequestsRequest, options?: CallOptions): Promise<ListFollowRequestsResponse>;

  /**
   * Accepts or refuses a request to follow. An accepted request is a follow from then on; a refused one is gone, and may be
   * made again.
   *
   * Who: the user asked, a service or an administrator. Not idempotent: an answered request is no request any more.
   * Reasons: NOT_FOUND FOLLOW_REQUEST_NOT_FOUND; INVALID_ARGUMENT for oneself; PERMISSION_DENIED; ABORTED CONFLICT (lost a race:
   * call again).
   */
  respondToFollowRequest(request: RespondToFollowRequestRequest, options?: CallOptions): Promise<RespondToFollowRequestResponse>;
}

/**
 * Direct and group messaging: exactly ordered, sent once however often retried, with exact unread counts, and a stream of
 * every change that can be resumed anywhere.
 */
export interface MessagingService {
  /**
   * Reads one page of a conversation's messages, newest first. Members only.
   *
   * New members see the whole history. Reasons: CONVERSATION_NOT_FOUND, PAGE_TOKEN_INVALID, OFFSET_TOO_LARGE.
   */
  getMessages(request: GetMessagesRequest, options?: CallOptions): Promise<GetMessagesResponse>;

  /**
   * Reads one message. Members of its conversation only; a deleted message is not found.
   *
   * Reasons: MESSAGE_NOT_FOUND.
   */
  getMessage(request: GetMessageRequest, options?: CallOptions): Promise<GetMessageResponse>;

  /**
   * Reads a conversation with the caller's unread count and its newest live message. Members only.
   *
   * Reasons: CONVERSATION_NOT_FOUND.
   */
  getConversation(request: GetConversationRequest, options?: CallOptions): Promise<GetConversationResponse>;

  /**
   * Reads one page of a conversation's present members, ordered by user id. Members only.
   *
   * Reasons: CONVERSATION_NOT_FOUND, PAGE_TOKEN_INVALID.
   */
  getConversationMembers(request: GetConversationMembersRequest, options?: CallOptions): Promise<GetConversationMembersResponse>;

  /**
   * Sends a message; it is durable when the answer arrives. Members only.
   *
   * Idempotent with `clientMessageId`: a repeat returns the stored message as it is now, for as long as it exists;
   * the same id with other content is refused. In a DIRECT conversation a block in either direction and the
   * recipient's `allowMessages` setting are obeyed; when they cannot be learned the answer is UNAVAILABLE.
   * Reasons: CONVERSATION_NOT_FOUND, USER_NOT_FOUND (the other side of a DIRECT conversation is gone), USER_BLOCKED,
   * MESSAGES_NOT_ALLOWED, IDEMPOTENCY_KEY_REUSED, OVERLOADED, UNAVAILABLE.
   */
  sendMessage(request: SendMessageRequest, options?: CallOptions): Promise<SendMessageResponse>;

  /**
   * Replaces a message's content. Its sender only, while still a member.
   *
   * In a DIRECT conversation an edit is refused like a new message when the two may not write to each other; deleting
   * stays allowed. Not idempotent without `expectedVersion`. Reasons: MESSAGE_NOT_FOUND, NOT_THE_SENDER,
   * MESSAGE_DELETED, USER_NOT_FOUND, USER_BLOCKED, MESSAGES_NOT_ALLOWED (each with metadata `user_id`),
   * VERSION_CONFLICT (metadata `current_version`), UNAVAILABLE.
   */
  updateMessage(request: UpdateMessageRequest, options?: CallOptions): Promise<UpdateMessageResponse>;

  /**
   * Deletes a message for everybody; its content is wiped, its place in the sequence stays. Its sender, and in a group
   * also the owner and administrators, while members.
   *
   * Idempotent: a repeat answers the same `deletedAt`. Reasons: MESSAGE_NOT_FOUND, ROLE_REQUIRED.
   */
  deleteMessage(request: DeleteMessageRequest, options?: CallOptions): Promise<DeleteMessageResponse>;

  /**
   * Marks a message and everything before it as read. Members only.
   *
   * Idempotent; the marker never moves back. Works on a deleted message too. Reasons: MESSAGE_NOT_FOUND.
   */
  markAsRead(request: MarkAsReadRequest, options?: CallOptions): Promise<MarkAsReadResponse>;

  /**
   * Counts what a user has not read, in one conversation or in all. The user, services and administrators.
   *
   * Reasons: CONVERSATION_NOT_FOUND (one is named and the user is no member), PERMISSION_DENIED.
   */
  getUnreadCount(request?: GetUnreadCountRequest, options?: CallOptions): Promise<GetUnreadCountResponse>;

  /**
   * Reads one page of a user's conversations, latest activity first. The user, services and administrators; to all but the
   * user themself `lastMessage` stays absent: nobody reads what they are no part of.
   *
   * Reasons: PERMISSION_DENIED, PAGE_TOKEN_INVALID, OFFSET_TOO_LARGE.
   */
  listConversations(request?: ListConversationsRequest, options?: CallOptions): Promise<ListConversationsResponse>;

  /**
   * Opens a conversation. Any user.
   *
   * DIRECT: the same two people always get the same conversation, whoever asks first and however many ask at once; an
   * existing one is returned as it is. GROUP: the caller becomes its owner. Idempotent with `clientConversationId`.
   * Everybody added must exist, and neither a block nor `allowMessages` may stand between them and the caller.
   * Reasons: USER_NOT_FOUND, USER_BLOCKED, MESSAGES_NOT_ALLOWED (each with metadata `user_id`),
   * IDEMPOTENCY_KEY_REUSED, UNAVAILABLE.
   */
  createConversation(request?: CreateConversationRequest, options?: CallOptions): Promise<CreateConversationResponse>;

  /**
   * Renames a group. Its owner and administrators.
   *
   * Reasons: CONVERSATION_NOT_FOUND, DIRECT_CONVERSATION_FIXED, ROLE_REQUIRED, VERSION_CONFLICT.
   */
  updateConversation(request: UpdateConversationRequest, options?: CallOptions): Promise<UpdateConversationResponse>;

  /**
   * Adds people to a group. Its owner and administrators.
   *
   * Idempotent: who is a member already stays as they are. All are added or none. New members, and who comes back,
   * start with nothing unread. Reasons: CONVERSATION_NOT_FOUND, DIRECT_CONVERSATION_FIXED, ROLE_REQUIRED,
   * CONVERSATION_FULL, USER_NOT_FOUND, USER_BLOCKED, MESSAGES_NOT_ALLOWED (each with metadata `user_id`), UNAVAILABLE.
   */
  addMembers(request: AddMembersRequest, options?: CallOptions): Promise<AddMembersResponse>;

  /**
   * Removes a member from a group; one's own id leaves it. The owner removes anybody, administrators remove members
   * with the role MEMBER, everybody may leave.
   *
   * Removing who has been removed already succeeds again, and so does leaving. An owner who leaves hands the group to the administrator who
   * has been in it longest, else to the member who has; the last one to leave ends it. Reasons:
   * CONVERSATION_NOT_FOUND, DIRECT_CONVERSATION_FIXED, ROLE_REQUIRED, MEMBER_NOT_FOUND.
   */
  removeMember(request: RemoveMemberRequest, options?: CallOptions): Promise<RemoveMemberResponse>;

  /**
   * Gives a member of a group another role. Its owner only; giving OWNER away makes the caller an ADMIN.
   *
   * Idempotent. Reasons: CONVERSATION_NOT_FOUND, DIRECT_CONVERSATION_FIXED, ROLE_REQUIRED, MEMBER_NOT_FOUND.
   */
  updateMemberRole(request: UpdateMemberRoleRequest, options?: CallOptions): Promise<UpdateMemberRoleResponse>;

  /**
   * Tells the other members who are listening that the caller is writing. Members only. It is never stored.
   *
   * Repeat it every few seconds while the writing goes on; more often than once a second has no effect. In a DIRECT
   * conversation it is refused like a message when the two may not write to each other. Without Redis it reaches those who
   * listen on the same replica. Reasons: CONVERSATION_NOT_FOUND, USER_NOT_FOUND, USER_BLOCKED, MESSAGES_NOT_ALLOWED,
   * UNAVAILABLE.
   */
  sendTyping(request: SendTypingRequest, options?: CallOptions): Promise<SendTypingResponse>;

  /** Tells how the event streams of the replica that answers are doing. Administrators only. */
  getStreamStats(request?: GetStreamStatsRequest, options?: CallOptions): Promise<GetStreamStatsResponse>;
}

/** How each call is sent: the verb, the path with its fields, and where the other fields go. */
export const ROUTES = {
  auth: {
    register: { verb: "POST", path: "/api/v1/auth/register", body: "*", public: true },
    login: { verb: "POST", path: "/api/v1/auth/login", body: "*", public: true },
    refreshToken: { verb: "POST", path: "/api/v1/auth/refresh", body: "*", public: true },
    logout: { verb: "POST", path: "/api/v1/auth/logout", body: "*", public: true },
    listSessions: { verb: "GET", path: "/api/v1/auth/sessions" },
    revokeSession: { verb: "DELETE", path: "/api/v1/auth/sessions/{sessionId}" },
    revokeAllSessions: { verb: "DELETE", path: "/api/v1/auth/sessions" },
    changePassword: { verb: "POST", path: "/api/v1/auth/password", body: "*" },
    requestPasswordReset: { verb: "POST", path: "/api/v1/auth/password-reset", body: "*", public: true },
    resetPassword: { verb: "POST", path: "/api/v1/auth/password-reset/confirm", body: "*", public: true },
    sendEmailVerification: { verb: "POST", path: "/api/v1/auth/email-verification", body: "*" },
    verifyEmail: { verb: "POST", path: "/api/v1/auth/email-verification/confirm", body: "*", public: true },
    beginTotpEnrollment: { verb: "POST", path: "/api/v1/auth/totp", body: "*" },
    confirmTotp: { verb: "POST", path: "/api/v1/auth/totp/confirm", body: "*" },
    disableTotp: { verb: "POST", path: "/api/v1/auth/totp/disable", body: "*" },
    deleteAccount: { verb: "DELETE", path: "/api/v1/auth/account", body: "*" },
    issueServiceToken: { verb: "POST", path: "/api/v1/auth/service-token", body: "*", public: true },
    listUsers: { verb: "GET", path: "/api/v1/admin/users" },
    grantRole: { verb: "POST", path: "/api/v1/admin/users/{userId}/roles", body: "*" },
    revokeRole: { verb: "DELETE", path: "/api/v1/admin/users/{userId}/roles/{role}" },
    listAuditEvents: { verb: "GET", path: "/api/v1/admin/audit" },
    createWebhook: { verb: "POST", path: "/api/v1/admin/webhooks", body: "*" },
    listWebhooks: { verb: "GET", path: "/api/v1/admin/webhooks" },
    getWebhook: { verb: "GET", path: "/api/v1/admin/webhooks/{webhookId}" },
    updateWebhook: { verb: "PATCH", path: "/api/v1/admin/webhooks/{webhookId}", body: "*" },
    deleteWebhook: { verb: "DELETE", path: "/api/v1/admin/webhooks/{webhookId}" },
    rotateWebhookSecret: { verb: "POST", path: "/api/v1/admin/webhooks/{webhookId}/secret", body: "*" },
    sendTestEvent: { verb: "POST", path: "/api/v1/admin/webhooks/{webhookId}/test", body: "*" },
    listWebhookDeliveries: { verb: "GET", path: "/api/v1/admin/webhook-deliveries" },
    getWebhookDelivery: { verb: "GET", path: "/api/v1/admin/webhook-deliveries/{deliveryId}" },
    replayWebhookDelivery: { verb: "POST", path: "/api/v1/admin/webhook-deliveries/{deliveryId}/replay", body: "*" },
    replayWebhookDeliveries: { verb: "POST", path: "/api/v1/admin/webhooks/{webhookId}/replay", body: "*" },
  },
  user: {
    getUserProfile: { verb: "GET", path: "/api/v1/users/{userId}" },
    getUserProfilesByIds: { verb: "POST", path: "/api/v1/users/batch", body: "*" },
    updateUserProfile: { verb: "PATCH", path: "/api/v1/users/{userId}", body: "*" },
    getUserSettings: { verb: "GET", path: "/api/v1/users/{userId}/settings" },
    updateUserSettings: { verb: "PATCH", path: "/api/v1/users/{userId}/settings", body: "*" },
    followUser: { verb: "PUT", path: "/api/v1/users/{followeeId}/follow" },
    unfollowUser: { verb: "DELETE", path: "/api/v1/users/{followeeId}/follow" },
    blockUser: { verb: "PUT", path: "/api/v1/users/{blockedId}/block" },
    unblockUser: { verb: "DELETE", path: "/api/v1/users/{blockedId}/block" },
    getUserFollowers: { verb: "GET", path: "/api/v1/users/{userId}/followers" },
    getUserFollowing: { verb: "GET", path: "/api/v1/users/{userId}/following" },
    checkUserRelationship: { verb: "GET", path: "/api/v1/users/{userId1}/relationship/{userId2}" },
    searchUsers: { verb: "GET", path: "/api/v1/users/search" },
    listBlockedUsers: { verb: "GET", path: "/api/v1/users/{userId}/blocked" },
    listFollowRequests: { verb: "GET", path: "/api/v1/users/{userId}/follow-requests" },
    respondToFollowRequest: { verb: "POST", path: "/api/v1/users/{followeeId}/follow-requests/{followerId}", body: "*" },
  },
  messaging: {
    getMessages: { verb: "GET", path: "/api/v1/conversations/{conversationId}/messages" },
    getMessage: { verb: "GET", path: "/api/v1/messages/{messageId}" },
    getConversation: { verb: "GET", path: "/api/v1/conversations/{conversationId}" },
    getConversationMembers: { verb: "GET", path: "/api/v1/conversations/{conversationId}/members" },
    sendMessage: { verb: "POST", path: "/api/v1/conversations/{conversationId}/messages", body: "*", clientId: "clientMessageId" },
    updateMessage: { verb: "PATCH", path: "/api/v1/messages/{messageId}", body: "*" },
    deleteMessage: { verb: "DELETE", path: "/api/v1/messages/{messageId}" },
    markAsRead: { verb: "POST", path: "/api/v1/messages/{messageId}/read", body: "*" },
    getUnreadCount: { verb: "GET", path: "/api/v1/users/me/unread" },
    listConversations: { verb: "GET", path: "/api/v1/conversations" },
    createConversation: { verb: "POST", path: "/api/v1/conversations", body: "*", clientId: "clientConversationId" },
    updateConversation: { verb: "PATCH", path: "/api/v1/conversations/{conversationId}", body: "*" },
    addMembers: { verb: "POST", path: "/api/v1/conversations/{conversationId}/members", body: "*" },
    removeMember: { verb: "DELETE", path: "/api/v1/conversations/{conversationId}/members/{userId}" },
    updateMemberRole: { verb: "PATCH", path: "/api/v1/conversations/{conversationId}/members/{userId}", body: "*" },
    sendTyping: { verb: "POST", path: "/api/v1/conversations/{conversationId}/typing", body: "*" },
    getStreamStats: { verb: "GET", path: "/api/v1/admin/streams" },
  },
} as const satisfies Record<string, Record<string, Route>>;

/**
 * Why a call failed, as google.rpc.ErrorInfo.reason. Numbers below 32 mean the same in every service.
 *
 * - INVALID_ARGUMENT: A field is out of bounds; BadRequest names it.
 * - PAGE_TOKEN_INVALID: The page token is damaged or was made for other arguments.
 * - OFFSET_TOO_LARGE: The offset is beyond what is served; page tokens reach further.
 * - UNAUTHENTICATED: There is no access token, or one that Nova did not issue.
 * - TOKEN_EXPIRED: The access token has expired: refresh it.
 * - TOKEN_REVOKED: The session of the token has ended: log in again.
 * - PERMISSION_DENIED: The caller may not do this.
 * - VERSION_CONFLICT: `expectedVersion` is not the record's version; metadata `current_version` tells it.
 * - RATE_LIMITED: The caller makes too many calls; RetryInfo says how long to wait.
 * - OVERLOADED: The service has more work than it takes on; RetryInfo says how long to wait.
 * - DEADLINE_EXCEEDED: The deadline passed before the answer was known.
 * - UNAVAILABLE: Something that is needed for the answer is down.
 * - INTERNAL: A fault of the server.
 * - CANCELLED: The caller went away.
 * - UNIMPLEMENTED: There is no such RPC.
 * - MESSAGE_TOO_LARGE: The request is larger than the service accepts.
 * - CONFLICT: The transaction lost a race: the same call again will do.
 * - INVALID_CREDENTIALS: No account has this name with this password.
 * - ACCOUNT_LOCKED: Too many failed log-ins in a row, or failed tries of a session; RetryInfo says how long to wait. The right password does not help.
 * - ACCOUNT_DISABLED: The account has been disabled.
 * - TOTP_REQUIRED: The password is right; the account has a second factor, so `totpCode` is needed too.
 * - TOTP_INVALID: The code is wrong, has been used, or is for another time.
 * - TOTP_ALREADY_ENABLED: The account has a second factor; disable it before enrolling another.
 * - TOTP_NOT_ENABLED: The account has no second factor.
 * - TOTP_NOT_STARTED: There is no enrolment to confirm; begin one.
 * - USERNAME_TAKEN: Another account has this user name, or had it.
 * - EMAIL_TAKEN: Another account has this e-mail.
 * - USER_NOT_FOUND: There is no such account.
 * - SESSION_NOT_FOUND: There is no such session.
 * - REFRESH_TOKEN_INVALID: Nova did not issue this refresh token, or has forgotten it.
 * - REFRESH_TOKEN_EXPIRED: The refresh token is too old: log in again.
 * - REFRESH_TOKEN_REUSED: The refresh token had been used before; the session has been ended.
 * - ONE_TIME_TOKEN_INVALID: The token of a mail is unknown, used, replaced by a newer one, or too old.
 * - EMAIL_ALREADY_VERIFIED: The e-mail has been verified already.
 * - LAST_ADMIN: This is the last administrator; make another one first.
 * - CLIENT_CREDENTIALS_INVALID: No service client has this id with this secret.
 * - WEBHOOK_NOT_FOUND: There is no such webhook.
 * - WEBHOOK_DELIVERY_NOT_FOUND: There is no such delivery, or it is not kept any more.
 * - WEBHOOK_DISABLED: The webhook is disabled: enable it first.
 * - WEBHOOK_LIMIT_REACHED: There are as many webhooks as there may be.
 */
export type AuthErrorReason =
  | "INVALID_ARGUMENT"
  | "PAGE_TOKEN_INVALID"
  | "OFFSET_TOO_LARGE"
  | "UNAUTHENTICATED"
  | "TOKEN_EXPIRED"
  | "TOKEN_REVOKED"
  | "PERMISSION_DENIED"
  | "VERSION_CONFLICT"
  | "RATE_LIMITED"
  | "OVERLOADED"
  | "DEADLINE_EXCEEDED"
  | "UNAVAILABLE"
  | "INTERNAL"
  | "CANCELLED"
  | "UNIMPLEMENTED"
  | "MESSAGE_TOO_LARGE"
  | "CONFLICT"
  | "INVALID_CREDENTIALS"
  | "ACCOUNT_LOCKED"
  | "ACCOUNT_DISABLED"
  | "TOTP_REQUIRED"
  | "TOTP_INVALID"
  | "TOTP_ALREADY_ENABLED"
  | "TOTP_NOT_ENABLED"
  | "TOTP_NOT_STARTED"
  | "USERNAME_TAKEN"
  | "EMAIL_TAKEN"
  | "USER_NOT_FOUND"
  | "SESSION_NOT_FOUND"
  | "REFRESH_TOKEN_INVALID"
  | "REFRESH_TOKEN_EXPIRED"
  | "REFRESH_TOKEN_REUSED"
  | "ONE_TIME_TOKEN_INVALID"
  | "EMAIL_ALREADY_VERIFIED"
  | "LAST_ADMIN"
  | "CLIENT_CREDENTIALS_INVALID"
  | "WEBHOOK_NOT_FOUND"
  | "WEBHOOK_DELIVERY_NOT_FOUND"
  | "WEBHOOK_DISABLED"
  | "WEBHOOK_LIMIT_REACHED";

/** An account. */
export interface User {
  /** Id of the account (UUIDv7). */
  id: string;
  /** User name, in lower case; 3 to 32 of `a-z 0-9 _ .`. Never changes. */
  username: string;
  /** E-mail as it was given at registration. Never changes. */
  email: string;
  /** Whether the person has shown that the e-mail is theirs. */
  emailVerified: boolean;
  /** Whether the account may be used; false if it has been disabled. There is no RPC that disables one yet. */
  active: boolean;
  /** Roles, in alphabetical order: `user`, and what has been granted of `admin` and `moderator`. */
  roles: string[];
  /** Failed log-ins in a row. */
  failedLoginAttempts: number;
  /** Until when log-in is locked; absent if it is not. */
  lockedUntil?: string;
  /** When the account was created. */
  createdAt: string;
  /** When the account last changed; failed log-ins do not count as a change. */
  updatedAt: string;
}

/** What a client needs to make calls. */
export interface Tokens {
  /** JWT for the `authorization: Bearer …` header. */
  accessToken: string;
  /** Opaque, good for one RefreshToken. Keep it secret. */
  refreshToken: string;
  /** Always `Bearer`. */
  tokenType: string;
  /** Seconds until the access token expires. */
  expiresIn: Int64;
  /** Id of the session that the tokens belong to. */
  sessionId: string;
}

/** A log-in on one device. */
export interface Session {
  /** Id of the session (UUIDv7). */
  id: string;
  /** Name of the device as given at log-in; empty if none was given. */
  deviceName: string;
  /** When the session was opened. */
  createdAt: string;
  /** When its tokens were last refreshed, or when it was opened. */
  lastUsedAt: string;
  /** When it ends if it is not used before. */
  expiresAt: string;
  /** Whether this is the session that calls. */
  current: boolean;
}

/** Request of Register. */
export interface RegisterRequest {
  /** User name: 3 to 32 of `a-z 0-9 _ .`; upper case is folded to lower case. Unique without regard to case. */
  username?: string | undefined;
  /** E-mail address, ASCII, at most 254 characters. Unique without regard to case. */
  email?: string | undefined;
  /** Password: 8 to 128 characters. */
  password?: string | undefined;
  /** Name to show on the profile: 1 to 64 characters; the user name if absent. */
  displayName?: string | undefined;
}

/** Response of Register. */
export interface RegisterResponse {
  /** The new account. */
  user: User;
  /** Tokens of its first session. */
  tokens: Tokens;
}

/** Request of Login. */
export interface LoginRequest {
  /** User name or e-mail, in any case: 1 to 254 characters. */
  identifier?: string | undefined;
  /** Password: 1 to 1024 bytes. */
  password?: string | undefined;
  /**
   * Code of the authenticator app (6 digits), or a recovery code: at most 64 characters, empty is as if absent. Ignored if
   * the account has no second factor.
   */
  totpCode?: string | undefined;
  /** Name of the device for the list of sessions: at most 100 characters. */
  deviceName?: string | undefined;
}

/** Response of Login. */
export interface LoginResponse {
  /** The account. */
  user: User;
  /** Tokens of the new session. */
  tokens: Tokens;
}

/** Request of RefreshToken. */
export interface RefreshTokenRequest {
  /** A refresh token. */
  refreshToken?: string | undefined;
}

/** Response of RefreshToken. */
export interface RefreshTokenResponse {
  /** New tokens of the same session. */
  tokens: Tokens;
}

/** Request of Logout. */
export type LogoutRequest = Record<string, never>;

/** Response of Logout. */
export type LogoutResponse = Record<string, never>;

/** Request of ListSessions. */
export interface ListSessionsRequest {
  /** Whose sessions; empty or `me` for the caller's own. */
  userId?: string | undefined;
  /** Page size; 0 means the default (20), more than the maximum (100) means the maximum, negative is INVALID_ARGUMENT. */
  limit?: number | undefined;
  /** Where to go on: `nextPageToken` of the previous page; empty for the first. */
  pageToken?: string | undefined;
}

/** Response of ListSessions. */
export interface ListSessionsResponse {
  /** Live sessions, newest first. */
  sessions: Session[];
  /** Token of the next page; empty if this is the last. */
  nextPageToken: string;
}

/** Request of RevokeSession. */
export interface RevokeSessionRequest {
  /** The session to end. */
  sessionId: string;
}

/** Response of RevokeSession. */
export type RevokeSessionResponse = Record<string, never>;

/** Request of RevokeAllSessions. */
export interface RevokeAllSessionsRequest {
  /** Whose sessions; empty or `me` for the caller's own. */
  userId?: string | undefined;
  /** Whether the session that calls goes on. */
  keepCurrent?: boolean | undefined;
}

/** Response of RevokeAllSessions. */
export interface RevokeAllSessionsResponse {
  /** How many live sessions have been ended. */
  revokedCount: Int64;
}

/** Request of ChangePassword. */
export interface ChangePasswordRequest {
  /** Whose password: the caller's id, empty or `me`. */
  userId?: string | undefined;
  /** The password so far: 1 to 1024 bytes. */
  currentPassword?: string | undefined;
  /** The password from now on: 8 to 128 characters. */
  newPassword?: string | undefined;
}

/** Response of ChangePassword. */
export type ChangePasswordResponse = Record<string, never>;

/** Request of RequestPasswordReset. */
export interface RequestPasswordResetRequest {
  /** E-mail of the account, in any case. */
  email?: string | undefined;
}

/** Response of RequestPasswordReset; the same whether the account exists or not. */
export type RequestPasswordResetResponse = Record<string, never>;

/** Request of ResetPassword. */
export interface ResetPasswordRequest {
  /** Token of the reset mail. */
  token?: string | undefined;
  /** The password from now on: 8 to 128 characters. */
  newPassword?: string | undefined;
}

/** Response of ResetPassword. */
export type ResetPasswordResponse = Record<string, never>;

/** Request of SendEmailVerification. */
export interface SendEmailVerificationRequest {
  /** Whose e-mail: the caller's id, empty or `me`. */
  userId?: string | undefined;
}

/** Response of SendEmailVerification. */
export type SendEmailVerificationResponse = Record<string, never>;

/** Request of VerifyEmail. */
export interface VerifyEmailRequest {
  /** Token of the verification mail. */
  token?: string | undefined;
}

/** Response of VerifyEmail. */
export type VerifyEmailResponse = Record<string, never>;

/** Request of BeginTotpEnrollment. */
export type BeginTotpEnrollmentRequest = Record<string, never>;

/** Response of BeginTotpEnrollment. */
export interface BeginTotpEnrollmentResponse {
  /** The shared secret in base32 without padding, for typing it in. */
  secret: string;
  /** The same as an `otpauth://totp/…` URI, for a QR code. */
  otpauthUri: string;
}

/** Request of ConfirmTotp. */
export interface ConfirmTotpRequest {
  /** What the app shows: 6 digits. */
  code?: string | undefined;
}

/** Response of ConfirmTotp. */
export interface ConfirmTotpResponse {
  /** Ten codes, each good for one log-in without the app. They are not shown again. */
  recoveryCodes: string[];
}

/** Request of DisableTotp. */
export interface DisableTotpRequest {
  /** What the app shows (6 digits), or a recovery code. */
  code?: string | undefined;
}

/** Response of DisableTotp. */
export type DisableTotpResponse = Record<string, never>;

/** Request of DeleteAccount. */
export interface DeleteAccountRequest {
  /** The account to delete; empty or `me` for the caller's own. */
  userId?: string | undefined;
  /** Its password: 1 to 1024 bytes. An administrator who deletes another's account leaves it empty. */
  password?: string | undefined;
}

/** Response of DeleteAccount. */
export type DeleteAccountResponse = Record<string, never>;

/** Whose records are asked for. */
export interface ExportAccountRequest {
  /** The person's id; empty or `me` = the caller. */
  userId?: string | undefined;
}

/** One record of what is held on a person. */
export interface ExportAccountResponse {
  /** Which service holds it: `auth`, `user` or `messaging`. */
  service: string;
  /**
   * What it is: `account`, `credentials`, `role`, `mail_token`, `session` and `audit_event` of auth; `profile`, `settings`,
   * `follow`, `follower`, `follow_request` and `block` of user; `membership`, `conversation`, `conversation_members`, `message`
   * and `conversation_request` of messaging; at last `end`, of auth. Others may be added.
   */
  kind: string;
  /**
   * One JSON object as text, on one line, with names and values as in REST: of a kind that has a message of its own (User,
   * AuditEvent, UserProfile, UserSettings, Conversation, Message) that message's JSON. Over REST the object itself.
   */
  record: Record<string, unknown>;
}

/** Request of IssueServiceToken. */
export interface IssueServiceTokenRequest {
  /** Id of the client, as configured: 1 to 64 characters. */
  clientId?: string | undefined;
  /** Secret of the client: 1 to 1024 bytes. */
  clientSecret?: string | undefined;
}

/** Response of IssueServiceToken. */
export interface IssueServiceTokenResponse {
  /** JWT with `sub` = clientId and the role `service`. */
  accessToken: string;
  /** Seconds until it expires. */
  expiresIn: Int64;
}

/** Request of ListUsers. */
export interface ListUsersRequest {
  /** Page size; 0 means the default (20), more than the maximum (100) means the maximum, negative is INVALID_ARGUMENT. */
  limit?: number | undefined;
  /** How many accounts to skip, at most 10,000; not together with `pageToken`. */
  offset?: number | undefined;
  /** Where to go on: `nextPageToken` of the previous page; empty for the first. */
  pageToken?: string | undefined;
  /** Part of a user name or e-mail, in any case; `%` and `_` mean themselves. At most 254 characters; empty for all. */
  search?: string | undefined;
}

/** Response of ListUsers. */
export interface ListUsersResponse {
  /** Accounts, newest first. */
  users: User[];
  /** How many accounts match, on all pages; counted when the first page was read, and the same on those after it. */
  totalCount: Int64;
  /** Token of the next page; empty if this is the last. */
  nextPageToken: string;
}

/** Request of GrantRole. */
export interface GrantRoleRequest {
  /** Who gets the role. */
  userId: string;
  /** `admin` or `moderator`; everybody has `user` anyway. */
  role?: string | undefined;
}

/** Response of GrantRole. */
export type GrantRoleResponse = Record<string, never>;

/** Request of RevokeRole. */
export interface RevokeRoleRequest {
  /** Who loses the role. */
  userId: string;
  /** `admin` or `moderator`; `user` can't be taken away. */
  role: string;
}

/** Response of RevokeRole. */
export type RevokeRoleResponse = Record<string, never>;

/** Request of ListAuditEvents. Filters hold all at once. */
export interface ListAuditEventsRequest {
  /** Only events that concern this person; `me` for the caller. Empty for the caller too, but for an administrator: everyone. */
  userId?: string | undefined;
  /**
   * Only what this person (by id, `me` for the caller) or service (by client id) did: at most 64 characters; empty for all.
   * Who is no administrator may name themself only.
   */
  actor?: string | undefined;
  /** Only of this kind; KIND_UNSPECIFIED for all. */
  kind?: AuditEventKind | undefined;
  /** Only at or after this time. */
  since?: string | undefined;
  /** Only before this time. */
  until?: string | undefined;
  /** Page size; 0 means the default (20), more than the maximum (100) means the maximum, negative is INVALID_ARGUMENT. */
  limit?: number | undefined;
  /** Where to go on: `nextPageToken` of the previous page; empty for the first. */
  pageToken?: string | undefined;
}

/** Response of ListAuditEvents. */
export interface ListAuditEventsResponse {
  /** Events, newest first. */
  events: AuditEvent[];
  /** Token of the next page; empty if this is the last. */
  nextPageToken: string;
}

/**
 * What happened, or was tried.
 *
 * - LOGIN: A log-in with a password: done, or refused. One that another service saw fail is among them.
 * - LOGOUT: The person ended the session.
 * - LOCK: Too many failures in a row locked the log-in. Also where nobody has the name; `userId` is empty then.
 * - UNLOCK: A password reset lifted a lock before its time.
 * - REFRESH_TOKEN_REUSE: A refresh token came a second time, which ended the session.
 * - SESSION_REVOCATION: A session was ended by RevokeSession.
 * - ALL_SESSIONS_REVOCATION: Sessions were ended by RevokeAllSessions.
 * - PASSWORD_CHANGE: A password was changed by who knew it, or a wrong one was given for that.
 * - PASSWORD_RESET_REQUEST: A mail with a token to reset the password was written.
 * - PASSWORD_RESET: A password was set with the token of a mail, or a wrong token was given for that.
 * - EMAIL_VERIFICATION: An e-mail was shown to be the person's, or a wrong token was given for that.
 * - TOTP_ENROLLMENT: A secret for a second factor was made; it is not in force yet.
 * - TOTP_CONFIRMATION: The second factor was put into force, or a wrong code was given for that.
 * - TOTP_REMOVAL: The second factor was removed, or a wrong code was given for that.
 * - RECOVERY_CODE_USE: A recovery code stood in for the app, and is used up.
 * - ROLE_GRANT: A role was given.
 * - ROLE_REVOCATION: A role was taken away.
 * - SIGNING_KEY_ROTATION: A new key to sign tokens with was made.
 * - REGISTRATION: An account was made.
 * - ACCOUNT_DELETION: An account was deleted, or a wrong password was given for that.
 * - SERVICE_TOKEN: A service was given its token, or was refused one.
 * - ADMIN_READ: An administrator was shown what is another person's, or the audit log.
 * - ACCOUNT_EXPORT: An export of all that is held on a person was begun.
 * - WEBHOOK_CREATION: A webhook was registered.
 * - WEBHOOK_UPDATE: A webhook was changed.
 * - WEBHOOK_DELETION: A webhook was removed.
 * - WEBHOOK_SECRET_ROTATION: A webhook got another secret.
 * - WEBHOOK_TEST: A test event was sent to a webhook.
 * - WEBHOOK_REPLAY: Deliveries of a webhook were sent again.
 * - WEBHOOK_DISABLING: A webhook was disabled because its receiver wanted no more, or never took anything.
 */
export type AuditEventKind =
  | "LOGIN"
  | "LOGOUT"
  | "LOCK"
  | "UNLOCK"
  | "REFRESH_TOKEN_REUSE"
  | "SESSION_REVOCATION"
  | "ALL_SESSIONS_REVOCATION"
  | "PASSWORD_CHANGE"
  | "PASSWORD_RESET_REQUEST"
  | "PASSWORD_RESET"
  | "EMAIL_VERIFICATION"
  | "TOTP_ENROLLMENT"
  | "TOTP_CONFIRMATION"
  | "TOTP_REMOVAL"
  | "RECOVERY_CODE_USE"
  | "ROLE_GRANT"
  | "ROLE_REVOCATION"
  | "SIGNING_KEY_ROTATION"
  | "REGISTRATION"
  | "ACCOUNT_DELETION"
  | "SERVICE_TOKEN"
  | "ADMIN_READ"
  | "ACCOUNT_EXPORT"
  | "WEBHOOK_CREATION"
  | "WEBHOOK_UPDATE"
  | "WEBHOOK_DELETION"
  | "WEBHOOK_SECRET_ROTATION"
  | "WEBHOOK_TEST"
  | "WEBHOOK_REPLAY"
  | "WEBHOOK_DISABLING";

/**
 * How it ended.
 *
 * - SUCCESS: It was done.
 * - FAILURE: It was refused; the detail `reason` says why, as a value of ErrorReason.
 */
export type AuditEventOutcome = "SUCCESS" | "FAILURE";

/**
 * What kind of caller did it.
 *
 * - ANONYMOUS: Somebody who had not proven who they are.
 * - USER: A person.
 * - SERVICE: A service.
 * - OPERATOR: Whoever runs `nova admin`.
 */
export type AuditEventActorType = "ANONYMOUS" | "USER" | "SERVICE" | "OPERATOR";

/** A security event. It never changes, and is kept for 400 days unless configured otherwise. */
export interface AuditEvent {
  /** Id of the event (UUIDv7). */
  id: string;
  /** When. */
  at: string;
  /** What happened, or was tried. */
  kind: AuditEventKind;
  /** How it ended. */
  outcome: AuditEventOutcome;
  /** What kind of caller did it. */
  actorType: AuditEventActorType;
  /** Id of the person, or client id of the service; empty for others, and to a person of whom it is no business. */
  actor: string;
  /** The account that it concerns; empty if there is none. */
  userId: string;
  /** The session that it concerns, else the one that called; empty if there is none. */
  sessionId: string;
  /** Network address of the client, such as `192.0.2.1`; empty if it came over no network. */
  address: string;
  /** What the client said it is, at most 256 characters. */
  userAgent: string;
  /** `x-request-id` of the call. */
  requestId: string;
  /** What else there is to say; docs/AUDIT.md lists the names by kind. No secret, no e-mail, nothing that somebody typed. */
  details: Record<string, string>;
}

/**
 * Why nothing is sent to it.
 *
 * - BY_ADMINISTRATOR: An administrator disabled it.
 * - GONE: Its receiver answered 410: it wants no more.
 * - FAILING: Everything that was sent to it failed, for 3 days unless configured otherwise.
 */
export type WebhookDisabledReason = "BY_ADMINISTRATOR" | "GONE" | "FAILING";

/** An address that events are sent to. */
export interface Webhook {
  /** Id of the webhook (UUIDv7). */
  id: string;
  /** Where events are sent to. */
  url: string;
  /** What it is for, in an administrator's words; may be empty. */
  description: string;
  /** Types of events that are sent, in alphabetical order; `*` alone means all. */
  eventTypes: string[];
  /** Whether events are sent. While it is disabled, events that happen are not kept for it. */
  enabled: boolean;
  /** Why it is disabled. */
  disabledReason: WebhookDisabledReason;
  /** Since when every attempt has failed; absent if the last one succeeded or there was none. */
  failingSince?: string;
  /** Until when deliveries are signed with the secret before the present one too; absent if they are not. */
  oldSecretValidUntil?: string;
  /** Deliveries that wait to be sent; counted up to 10000. */
  pendingCount: Int64;
  /** When it was created. */
  createdAt: string;
  /** When it last changed. */
  updatedAt: string;
  /** Counts the changes, from 1 on. */
  version: Int64;
}

/**
 * What has become of it.
 *
 * - PENDING: It waits to be sent, for another try, or for one of its aggregate that comes before it.
 * - DELIVERED: The receiver answered 2xx.
 * - FAILED: It was given up: nobody tries any more unless it is replayed.
 */
export type WebhookDeliveryState = "PENDING" | "DELIVERED" | "FAILED";

/** An event on its way to a webhook, or arrived. */
export interface WebhookDelivery {
  /** Id of the delivery (UUIDv7). */
  id: string;
  /** The webhook. */
  webhookId: string;
  /** Id of the event: `webhook-id` of each attempt, `id` of the body. */
  eventId: string;
  /** Type of the event. */
  eventType: string;
  /** What the event is about: what is sent for one aggregate is sent in its order. */
  aggregateId: string;
  /** What has become of it. */
  state: WebhookDeliveryState;
  /** Attempts so far, those before a replay among them. */
  attempts: number;
  /** When it is tried again; absent if it is not, if it waits for one before it, or while it is being tried. */
  nextAttemptAt?: string;
  /** HTTP status of the last attempt; 0 if there was none, or no answer. */
  lastStatus: number;
  /** Why the last attempt had no answer, such as `TIMEOUT`; empty if it had one. */
  lastFault: string;
  /** When it was made, moments after the event. */
  createdAt: string;
  /** When it arrived or was given up; absent while it waits. */
  doneAt?: string;
}

/** One try to deliver. */
export interface WebhookAttempt {
  /** Its number: the first is 1. */
  number: number;
  /** When it began. */
  at: string;
  /** HTTP status of the answer; 0 if there was none. */
  status: number;
  /**
   * Why there was no answer: `NAME_NOT_RESOLVED`, `ADDRESS_FORBIDDEN`, `CONNECTION_REFUSED`, `TLS_FAILED`, `TIMEOUT`,
   * `CONNECTION_BROKEN`, `SECRET_UNREADABLE`; empty if there was one.
   */
  fault: string;
  /** How long it took, in milliseconds. */
  durationMs: number;
  /** The beginning of the answer's body, at most 1024 bytes. */
  answer: string;
}

/** Request of CreateWebhook. */
export interface CreateWebhookRequest {
  /**
   * Where events are to be sent to: `https://`, at most 2048 bytes, without user name and fragment. Network addresses that are not
   * on the public internet are refused when a delivery is tried, unless the operator has allowed them; then `http://` works too.
   */
  url?: string | undefined;
  /** Types of events, such as `nova.user.registered.v1`, at most 50; `*` alone means all. At least one. */
  eventTypes?: string[] | undefined;
  /** What it is for; one line of at most 200 characters, may be empty. */
  description?: string | undefined;
}

/** Response of CreateWebhook. */
export interface CreateWebhookResponse {
  /** The webhook. */
  webhook: Webhook;
  /** What deliveries are signed with: `whsec_` and base64. It is not shown again. */
  secret: string;
}

/** Request of ListWebhooks. */
export interface ListWebhooksRequest {
  /** Page size; 0 means the default (20), more than the maximum (100) means the maximum, negative is INVALID_ARGUMENT. */
  limit?: number | undefined;
  /** Where to go on: `nextPageToken` of the previous page; empty for the first. */
  pageToken?: string | undefined;
}

/** Response of ListWebhooks. */
export interface ListWebhooksResponse {
  /** Webhooks, newest first. */
  webhooks: Webhook[];
  /** Token of the next page; empty if this is the last. */
  nextPageToken: string;
}

/** Request of GetWebhook. */
export interface GetWebhookRequest {
  /** Which. */
  webhookId: string;
}

/** Response of GetWebhook. */
export interface GetWebhookResponse {
  /** The webhook. */
  webhook: Webhook;
}

/** Request of UpdateWebhook. */
export interface UpdateWebhookRequest {
  /** Which. */
  webhookId: string;
  /** Another address; bounds as at its creation. What waits is sent there. */
  url?: string | undefined;
  /** Other types; empty: they stay. Bounds as at its creation. */
  eventTypes?: string[] | undefined;
  /** Another description; bounds as at its creation. */
  description?: string | undefined;
  /** Whether events are to be sent. */
  enabled?: boolean | undefined;
  /** The version that is to be changed; 0 means whichever it is. */
  expectedVersion?: Int64 | number | undefined;
}

/** Response of UpdateWebhook. */
export interface UpdateWebhookResponse {
  /** The webhook after the change. */
  webhook: Webhook;
}

/** Request of DeleteWebhook. */
export interface DeleteWebhookRequest {
  /** Which. */
  webhookId: string;
}

/** Response of DeleteWebhook. */
export type DeleteWebhookResponse = Record<string, never>;

/** Request of RotateWebhookSecret. */
export interface RotateWebhookSecretRequest {
  /** Which. */
  webhookId: string;
}

/** Response of RotateWebhookSecret. */
export interface RotateWebhookSecretResponse {
  /** The webhook; `oldSecretValidUntil` says how long the old secret is good. */
  webhook: Webhook;
  /** The new secret: `whsec_` and base64. It is not shown again. */
  secret: string;
}

/** Request of SendTestEvent. */
export interface SendTestEventRequest {
  /** To which. */
  webhookId: string;
}

/** Response of SendTestEvent. */
export interface SendTestEventResponse {
  /** The delivery, not sent yet. */
  delivery: WebhookDelivery;
}

/** Request of ListWebhookDeliveries. */
export interface ListWebhookDeliveriesRequest {
  /** Only to this webhook; empty: to any. */
  webhookId?: string | undefined;
  /** Only in this state. */
  state?: WebhookDeliveryState | undefined;
  /** Page size; 0 means the default (20), more than the maximum (100) means the maximum, negative is INVALID_ARGUMENT. */
  limit?: number | undefined;
  /** Where to go on: `nextPageToken` of the previous page; empty for the first. */
  pageToken?: string | undefined;
}

/** Response of ListWebhookDeliveries. */
export interface ListWebhookDeliveriesResponse {
  /** Deliveries, newest first. */
  deliveries: WebhookDelivery[];
  /** Token of the next page; empty if this is the last. */
  nextPageToken: string;
}

/** Request of GetWebhookDelivery. */
export interface GetWebhookDeliveryRequest {
  /** Which. */
  deliveryId: string;
}

/** Response of GetWebhookDelivery. */
export interface GetWebhookDeliveryResponse {
  /** The delivery. */
  delivery: WebhookDelivery;
  /** What is sent, byte by byte: a CloudEvent in JSON. */
  body: string;
  /** The newest 100 attempts, newest first. */
  attempts: WebhookAttempt[];
}

/** Request of ReplayWebhookDelivery. */
export interface ReplayWebhookDeliveryRequest {
  /** Which. */
  deliveryId: string;
}

/** Response of ReplayWebhookDelivery. */
export interface ReplayWebhookDeliveryResponse {
  /** The delivery, which waits again. */
  delivery: WebhookDelivery;
}

/** Request of ReplayWebhookDeliveries. */
export interface ReplayWebhookDeliveriesRequest {
  /** Of which webhook. */
  webhookId: string;
  /** Deliveries made at this time or later. */
  since?: string | undefined;
  /** Whether those that have arrived are sent again too. */
  delivered?: boolean | undefined;
}

/** Response of ReplayWebhookDeliveries. */
export interface ReplayWebhookDeliveriesResponse {
  /** How many are sent again. */
  replayedCount: Int64;
}

/**
 * Why a call failed: `reason` of google.rpc.ErrorInfo, domain `user.nova`. Numbers below 32 mean the same in every Nova service.
 *
 * - INVALID_ARGUMENT: A field is malformed or out of bounds; BadRequest names it. Fix the request.
 * - PAGE_TOKEN_INVALID: The page token is damaged, or was made for other arguments. Start at the first page.
 * - OFFSET_TOO_LARGE: The offset is beyond what is served. Use pageToken.
 * - UNAUTHENTICATED: No access token, or one that this server did not issue. Log in.
 * - TOKEN_EXPIRED: The access token has expired. Refresh it.
 * - TOKEN_REVOKED: The session of the access token has ended. Log in again.
 * - PERMISSION_DENIED: The caller may not do this.
 * - VERSION_CONFLICT: The record is at another version than `expectedVersion`; metadata `current_version`. Read it again.
 * - RATE_LIMITED: Too many calls by this caller. Wait as RetryInfo says.
 * - OVERLOADED: More work is waiting than the service takes on. Wait as RetryInfo says.
 * - DEADLINE_EXCEEDED: The deadline passed before the answer was known.
 * - UNAVAILABLE: A part that is needed for the answer does not answer. Wait as RetryInfo says.
 * - INTERNAL: A fault of the server.
 * - CANCELLED: The caller went away before the answer.
 * - UNIMPLEMENTED: There is no such RPC.
 * - MESSAGE_TOO_LARGE: The request is larger than the service accepts.
 * - CONFLICT: The change lost a race against another one and was not made. Call again.
 * - USER_NOT_FOUND: There is no such user, the account is deleted, or the caller may not know of it.
 * - USER_BLOCKED: One of the two users has blocked the other; both get this, and it does not say who has.
 * - FOLLOW_REQUEST_NOT_FOUND: There is no such request to follow: it was answered or withdrawn, or never made.
 * - LIST_PRIVATE: The lists of this user are not open to the caller.
 */
export type UserErrorReason =
  | "INVALID_ARGUMENT"
  | "PAGE_TOKEN_INVALID"
  | "OFFSET_TOO_LARGE"
  | "UNAUTHENTICATED"
  | "TOKEN_EXPIRED"
  | "TOKEN_REVOKED"
  | "PERMISSION_DENIED"
  | "VERSION_CONFLICT"
  | "RATE_LIMITED"
  | "OVERLOADED"
  | "DEADLINE_EXCEEDED"
  | "UNAVAILABLE"
  | "INTERNAL"
  | "CANCELLED"
  | "UNIMPLEMENTED"
  | "MESSAGE_TOO_LARGE"
  | "CONFLICT"
  | "USER_NOT_FOUND"
  | "USER_BLOCKED"
  | "FOLLOW_REQUEST_NOT_FOUND"
  | "LIST_PRIVATE";

/**
 * How the first user stands to the second, the strongest that holds: BLOCKED, MUTUAL, FOLLOWING, PENDING, FOLLOWER, NONE.
 *
 * - NONE: Neither follows the other.
 * - FOLLOWING: The first follows the second.
 * - FOLLOWER: The second follows the first.
 * - MUTUAL: Each follows the other.
 * - BLOCKED: The first has blocked the second; to services and administrators also: the second has blocked the first.
 * - PENDING: The first has asked to follow the second, whose account is private, and waits for an answer.
 */
export type RelationshipKind = "NONE" | "FOLLOWING" | "FOLLOWER" | "MUTUAL" | "BLOCKED" | "PENDING";

/** A user as others see them. */
export interface UserProfile {
  /** The user's id; the same as in the auth service. */
  id: string;
  /** The unique name that the user logs in with; 3 to 32 of `a-z 0-9 _ .`; never changes. */
  username: string;
  /**
   * The e-mail address. Set only for the profile's owner, services and administrators, and only while the auth service, which
   * keeps it, can be asked.
   */
  email?: string;
  /** The name to show; 1 to 64 characters. */
  displayName: string;
  /** A few words about the user; up to 500 characters, may have line breaks. */
  bio: string;
  /** Address of the picture; http or https, up to 2,048 characters. Not set: no picture. */
  avatarUrl?: string;
  /** Address of the picture behind the profile; http or https, up to 2,048 characters. Not set: none. */
  coverUrl?: string;
  /** Address of a web page; http or https, up to 2,048 characters, or empty. */
  website: string;
  /** Where the user says to be; up to 100 characters. */
  location: string;
  /** Whether the operator vouches for who this is. */
  verified: boolean;
  /** Whether following needs the user's consent. The lists of a private account are shown to its followers at most. */
  private: boolean;
  /** How many users follow this one; requests do not count. */
  followerCount: Int64;
  /** How many users this one follows; requests do not count. */
  followingCount: Int64;
  /** When the account was made. */
  createdAt: string;
  /** When the profile was last changed; counts do not change it. */
  updatedAt: string;
  /** When the profile was deleted; set only where a request asks for deleted records. */
  deletedAt?: string;
  /** Starts at 1, grows by one with each change; counts do not change it. */
  version: Int64;
}

/**
 * Who sees the lists of followers and of whom the user follows. For a private account PUBLIC means FOLLOWERS.
 *
 * - PUBLIC: Any user.
 * - FOLLOWERS: The user's followers.
 * - PRIVATE: The user alone.
 */
export type UserSettingsPrivacyLevel = "PUBLIC" | "FOLLOWERS" | "PRIVATE";

/**
 * Who may write direct messages to the user. A block stops them whatever this says.
 *
 * - EVERYONE: Any user.
 * - FOLLOWING: Those whom the user follows.
 * - NOBODY: Nobody.
 */
export type UserSettingsAllowMessages = "EVERYONE" | "FOLLOWING" | "NOBODY";

/** What a user has set for themself. */
export interface UserSettings {
  /** Whose settings these are. */
  userId: string;
  /** Whether to send notifications by e-mail. Default true. */
  emailNotifications: boolean;
  /** Whether to send notifications to devices. Default true. */
  pushNotifications: boolean;
  /** Whether the user wants news of the operator by e-mail. Default false. */
  marketingEmails: boolean;
  /** IANA time zone such as `Europe/Berlin`. Default `UTC`. */
  timezone: string;
  /** BCP 47 language tag such as `en` or `de-AT`. Default `en`. */
  language: string;
  /** Whether clients show dark colours. Default false. */
  darkMode: boolean;
  /** Who sees the lists of followers and of whom the user follows. Default PUBLIC. */
  privacyLevel: UserSettingsPrivacyLevel;
  /** Who may write direct messages to the user. Default EVERYONE. */
  allowMessages: UserSettingsAllowMessages;
  /** When the settings were first changed; before that, when the account was made. */
  createdAt: string;
  /** When the settings were last changed; before any change, when the account was made. */
  updatedAt: string;
  /** 1 for the defaults, 2 after the first change, and so on. */
  version: Int64;
}

/** Request of GetUserProfile. */
export interface GetUserProfileRequest {
  /** Whose profile; `me` for the caller's. */
  userId: string;
}

/** Answer of GetUserProfile. */
export interface GetUserProfileResponse {
  /** The profile. */
  profile: UserProfile;
}

/** Request of GetUserProfilesByIds. */
export interface GetUserProfilesByIdsRequest {
  /** Whose profiles; 1 to 100 ids (configurable). */
  userIds?: string[] | undefined;
}

/** Answer of GetUserProfilesByIds. */
export interface GetUserProfilesByIdsResponse {
  /** The profiles that were found, by user id. */
  profiles: Record<string, UserProfile>;
}

/** Request of UpdateUserProfile. What is not set stays as it is. */
export interface UpdateUserProfileRequest {
  /** Whose profile; `me` for the caller's. */
  userId: string;
  /** The name to show; 1 to 64 characters, no control characters, not blank. */
  displayName?: string | undefined;
  /** A few words; up to 500 characters, no control characters but line breaks and tabs. Empty: none. */
  bio?: string | undefined;
  /** Address of the picture; http or https, up to 2,048 characters. Empty: no picture. */
  avatarUrl?: string | undefined;
  /** Address of the picture behind the profile; http or https, up to 2,048 characters. Empty: none. */
  coverUrl?: string | undefined;
  /** Address of a web page; http or https, up to 2,048 characters. Empty: none. */
  website?: string | undefined;
  /** A place; up to 100 characters, no control characters. Empty: none. */
  location?: string | undefined;
  /** Whether following needs consent. */
  private?: boolean | undefined;
  /** The version that the change is meant for; 0 for any. Negative is INVALID_ARGUMENT. */
  expectedVersion?: Int64 | number | undefined;
}

/** Answer of UpdateUserProfile. */
export interface UpdateUserProfileResponse {
  /** The profile after the change. */
  profile: UserProfile;
}

/** Request of GetUserSettings. */
export interface GetUserSettingsRequest {
  /** Whose settings; `me` for the caller's. */
  userId: string;
}

/** Answer of GetUserSettings. */
export interface GetUserSettingsResponse {
  /** The settings. */
  settings: UserSettings;
}

/** Request of UpdateUserSettings. What is not set stays as it is; the fields are described in UserSettings. */
export interface UpdateUserSettingsRequest {
  /** Whose settings; `me` for the caller's. */
  userId: string;
  /** Whether to send notifications by e-mail. */
  emailNotifications?: boolean | undefined;
  /** Whether to send notifications to devices. */
  pushNotifications?: boolean | undefined;
  /** Whether the user wants news of the operator by e-mail. */
  marketingEmails?: boolean | undefined;
  /** A time zone that the IANA database knows; upper and lower case matter. */
  timezone?: string | undefined;
  /**
   * A well-formed BCP 47 language tag of up to 35 characters whose language has two or three letters; kept in the usual case
   * (`en-US`, `zh-Hant`).
   */
  language?: string | undefined;
  /** Whether clients show dark colours. */
  darkMode?: boolean | undefined;
  /** Who sees the lists of followers and of whom the user follows. */
  privacyLevel?: UserSettingsPrivacyLevel | undefined;
  /** Who may write direct messages to the user. */
  allowMessages?: UserSettingsAllowMessages | undefined;
  /** The version that the change is meant for (1 for the defaults); 0 for any. Negative is INVALID_ARGUMENT. */
  expectedVersion?: Int64 | number | undefined;
}

/** Answer of UpdateUserSettings. */
export interface UpdateUserSettingsResponse {
  /** The settings after the change. */
  settings: UserSettings;
}

/** Request of FollowUser. */
export interface FollowUserRequest {
  /** Who follows; not set or empty: the caller. */
  followerId?: string | undefined;
  /** Whom; not the follower. */
  followeeId: string;
}

/** Answer of FollowUser. */
export interface FollowUserResponse {
  /** Always true. */
  success: boolean;
  /** How the follower now stands to the followee: FOLLOWING, MUTUAL or PENDING. */
  relationship: RelationshipKind;
}

/** Request of UnfollowUser. */
export interface UnfollowUserRequest {
  /** Who follows no longer; not set or empty: the caller. */
  followerId?: string | undefined;
  /** Whom; not the follower. */
  followeeId: string;
}

/** Answer of UnfollowUser. */
export interface UnfollowUserResponse {
  /** Always true. */
  success: boolean;
  /** How the follower now stands to the followee: NONE, FOLLOWER or BLOCKED (by the follower). */
  relationship: RelationshipKind;
}

/** Request of BlockUser. */
export interface BlockUserRequest {
  /** Who blocks; not set or empty: the caller. */
  blockerId?: string | undefined;
  /** Whom; not the blocker. */
  blockedId: string;
}

/** Answer of BlockUser. */
export interface BlockUserResponse {
  /** Always true. */
  success: boolean;
}

/** Request of UnblockUser. */
export interface UnblockUserRequest {
  /** Who takes the block back; not set or empty: the caller. */
  blockerId?: string | undefined;
  /** Whom it was against; not the blocker. */
  blockedId: string;
}

/** Answer of UnblockUser. */
export interface UnblockUserResponse {
  /** Always true. */
  success: boolean;
}

/** Request of GetUserFollowers. */
export interface GetUserFollowersRequest {
  /** Whose followers; `me` for the caller's. */
  userId: string;
  /** How many profiles at most; 0 for the default. */
  limit?: number | undefined;
  /** How many to skip, 0 to 10,000. Not together with pageToken. */
  offset?: number | undefined;
  /** `nextPageToken` of the page before; empty for the first page. */
  pageToken?: string | undefined;
}

/** Answer of GetUserFollowers. */
export interface GetUserFollowersResponse {
  /** The followers, the latest first. */
  profiles: UserProfile[];
  /**
   * How many followers there are: the `followerCount` of the user's profile, the same to every caller. Those whom a block hides
   * from the caller count too, so the pages may hold fewer.
   */
  totalCount: Int64;
  /** For the next page; empty on the last. */
  nextPageToken: string;
}

/** Request of GetUserFollowing. */
export interface GetUserFollowingRequest {
  /** Who follows; `me` for the caller. */
  userId: string;
  /** How many profiles at most; 0 for the default. */
  limit?: number | undefined;
  /** How many to skip, 0 to 10,000. Not together with pageToken. */
  offset?: number | undefined;
  /** `nextPageToken` of the page before; empty for the first page. */
  pageToken?: string | undefined;
}

/** Answer of GetUserFollowing. */
export interface GetUserFollowingResponse {
  /** The users followed, the latest first. */
  profiles: UserProfile[];
  /**
   * How many users are followed: the `followingCount` of the user's profile, the same to every caller. Those whom a block hides
   * from the caller count too, so the pages may hold fewer.
   */
  totalCount: Int64;
  /** For the next page; empty on the last. */
  nextPageToken: string;
}

/** Request of CheckUserRelationship. */
export interface CheckUserRelationshipRequest {
  /** The first user, whose view it is; `me` for the caller. */
  userId1: string;
  /** The second user; `me` for the caller. */
  userId2: string;
}

/** Answer of CheckUserRelationship. */
export interface CheckUserRelationshipResponse {
  /** How the first stands to the second. */
  relationship: RelationshipKind;
}

/** Request of SearchUsers. */
export interface SearchUsersRequest {
  /** What to look for; 1 to 64 characters once blanks at both ends are cut off, no control characters. */
  query?: string | undefined;
  /** How many profiles at most; 0 for the default. */
  limit?: number | undefined;
  /** How many to skip, 0 to 10,000. Not together with pageToken. */
  offset?: number | undefined;
  /** `nextPageToken` of the page before; empty for the first page. */
  pageToken?: string | undefined;
}

/** Answer of SearchUsers. */
export interface SearchUsersResponse {
  /** What was found, the best first. */
  profiles: UserProfile[];
  /** For the next page; empty on the last. */
  nextPageToken: string;
}

/** Request of ListBlockedUsers. */
export interface ListBlockedUsersRequest {
  /** Who blocked; `me` for the caller. */
  userId: string;
  /** How many profiles at most; 0 for the default. */
  limit?: number | undefined;
  /** `nextPageToken` of the page before; empty for the first page. */
  pageToken?: string | undefined;
}

/** Answer of ListBlockedUsers. */
export interface ListBlockedUsersResponse {
  /** The blocked users, the latest block first. */
  profiles: UserProfile[];
  /** For the next page; empty on the last. */
  nextPageToken: string;
}

/** Request of ListFollowRequests. */
export interface ListFollowRequestsRequest {
  /** Who was asked; `me` for the caller. */
  userId: string;
  /** How many profiles at most; 0 for the default. */
  limit?: number | undefined;
  /** `nextPageToken` of the page before; empty for the first page. */
  pageToken?: string | undefined;
}

/** Answer of ListFollowRequests. */
export interface ListFollowRequestsResponse {
  /** Who asked to follow, the latest request first. */
  profiles: UserProfile[];
  /** For the next page; empty on the last. */
  nextPageToken: string;
}

/** Request of RespondToFollowRequest. */
export interface RespondToFollowRequestRequest {
  /** Who was asked; `me` for the caller. */
  followeeId: string;
  /** Who asked; not the followee. */
  followerId: string;
  /** true lets them follow, false refuses. */
  accept?: boolean | undefined;
}

/** Answer of RespondToFollowRequest. */
export interface RespondToFollowRequestResponse {
  /** Always true. */
  success: boolean;
  /**
   * How the one who was asked now stands to the one who asked: FOLLOWER or MUTUAL when accepted; else NONE, FOLLOWING or
   * PENDING.
   */
  relationship: RelationshipKind;
}

/**
 * Why a call failed: the `reason` of `google.rpc.ErrorInfo`. 1 to 17 are common to all services.
 *
 * - INVALID_ARGUMENT: A field is malformed or out of bounds; `BadRequest.field_violations` names it.
 * - PAGE_TOKEN_INVALID: The page token is damaged, or was made for a call with other arguments.
 * - OFFSET_TOO_LARGE: The offset is beyond the maximum (10,000): go on with page tokens.
 * - UNAUTHENTICATED: No token, or one that is malformed or not from here.
 * - TOKEN_EXPIRED: The access token's time is over: refresh it.
 * - TOKEN_REVOKED: The token's session has been ended: log in again.
 * - PERMISSION_DENIED: The caller may not do this.
 * - VERSION_CONFLICT: The record has changed since `expectedVersion`; metadata `current_version` tells the present one.
 * - RATE_LIMITED: The caller calls too often; `RetryInfo` says when to come back.
 * - OVERLOADED: The service has more work than it can hold; `RetryInfo` says when to come back.
 * - DEADLINE_EXCEEDED: The deadline passed before the answer was there. A write may have happened.
 * - UNAVAILABLE: The database or another service cannot be reached. A write may have happened: repeat it with its client id.
 * - INTERNAL: A fault of the service.
 * - CANCELLED: The caller has cancelled the call.
 * - UNIMPLEMENTED: There is no such RPC.
 * - MESSAGE_TOO_LARGE: The request is larger than the service reads.
 * - CONFLICT: The transaction lost a race and nothing has changed: repeat it.
 * - CONVERSATION_NOT_FOUND: There is no such conversation, or the caller is no member of it.
 * - MESSAGE_NOT_FOUND: There is no such message, it is deleted, or the caller is no member of its conversation.
 * - USER_NOT_FOUND: There is no such user; metadata `user_id`.
 * - MEMBER_NOT_FOUND: The user has never been a member of the group; metadata `user_id`.
 * - USER_BLOCKED: A block stands between the two, in whichever direction; metadata `user_id` is the other side.
 * - MESSAGES_NOT_ALLOWED: The other side does not take messages from the caller; metadata `user_id`.
 * - MESSAGE_DELETED: The message is deleted and cannot be edited.
 * - IDEMPOTENCY_KEY_REUSED: The client id has been used for a request with other content.
 * - DIRECT_CONVERSATION_FIXED: A DIRECT conversation's name and members cannot change.
 * - CONVERSATION_FULL: The group would have more members than the maximum (1,000 by default); metadata `max_members`.
 * - ROLE_REQUIRED: The caller is a member, but their role does not allow this.
 * - NOT_THE_SENDER: Only its sender can edit a message.
 * - CURSOR_INVALID: The cursor is damaged or not from here.
 * - CURSOR_EXPIRED: Changes after the cursor are no longer kept (30 days by default): read the conversations anew and stream without it.
 * - SLOW_READER: The reader has taken nothing for too long; metadata `cursor` tells where to go on.
 * - TOO_MANY_STREAMS: The user has as many streams open as they may have (32 by default); metadata `max_streams`.
 */
export type MessagingErrorReason =
  | "INVALID_ARGUMENT"
  | "PAGE_TOKEN_INVALID"
  | "OFFSET_TOO_LARGE"
  | "UNAUTHENTICATED"
  | "TOKEN_EXPIRED"
  | "TOKEN_REVOKED"
  | "PERMISSION_DENIED"
  | "VERSION_CONFLICT"
  | "RATE_LIMITED"
  | "OVERLOADED"
  | "DEADLINE_EXCEEDED"
  | "UNAVAILABLE"
  | "INTERNAL"
  | "CANCELLED"
  | "UNIMPLEMENTED"
  | "MESSAGE_TOO_LARGE"
  | "CONFLICT"
  | "CONVERSATION_NOT_FOUND"
  | "MESSAGE_NOT_FOUND"
  | "USER_NOT_FOUND"
  | "MEMBER_NOT_FOUND"
  | "USER_BLOCKED"
  | "MESSAGES_NOT_ALLOWED"
  | "MESSAGE_DELETED"
  | "IDEMPOTENCY_KEY_REUSED"
  | "DIRECT_CONVERSATION_FIXED"
  | "CONVERSATION_FULL"
  | "ROLE_REQUIRED"
  | "NOT_THE_SENDER"
  | "CURSOR_INVALID"
  | "CURSOR_EXPIRED"
  | "SLOW_READER"
  | "TOO_MANY_STREAMS";

/** Content that the clients have encrypted end to end; stored and handed out untouched. */
export interface EncryptedContent {
  /** The ciphertext, 1 byte to 64 KiB. */
  ciphertext: string;
  /** The nonce it was encrypted with, 12 to 32 bytes. */
  nonce: string;
  /** The clients' own number for how it was encrypted, at least 1. */
  encryptionVersion: number;
}

/** Content that the clients have encrypted end to end; stored and handed out untouched. */
export interface EncryptedContentInput {
  /** The ciphertext, 1 byte to 64 KiB. */
  ciphertext?: string | undefined;
  /** The nonce it was encrypted with, 12 to 32 bytes. */
  nonce?: string | undefined;
  /** The clients' own number for how it was encrypted, at least 1. */
  encryptionVersion?: number | undefined;
}

/** One message of a conversation. */
export interface Message {
  /** The message's id (UUIDv7). */
  id: string;
  /** The conversation it belongs to. */
  conversationId: string;
  /** Who sent it. */
  senderId: string;
  /** The text; empty when `encrypted` is set or the message is deleted. */
  content: string;
  /** The client-encrypted content; absent when `content` is used or the message is deleted. */
  encrypted?: EncryptedContent;
  /** Its place in the conversation: 1, 2, 3 … without gap or repeat. */
  sequence: Int64;
  /** The id that the sender's client gave it; absent if it gave none. */
  clientMessageId?: string;
  /** When it was sent. */
  createdAt: string;
  /** When it was last edited or deleted; equals `createdAt` before that. */
  updatedAt: string;
  /** When it was deleted; absent while it is live. */
  deletedAt?: string;
  /** Starts at 1; an edit or a deletion adds 1. */
  version: Int64;
  /**
   * Whether nobody can read the content any more: its sender's account was deleted, and with it the key that the content
   * was sealed with.
   */
  erased: boolean;
}

/**
 * What kind of conversation it is.
 *
 * - DIRECT: Two people, for ever.
 * - GROUP: A named group with roles.
 */
export type ConversationType = "DIRECT" | "GROUP";

/** A conversation as all its members see it. */
export interface Conversation {
  /** The conversation's id (UUIDv7). */
  id: string;
  /** Its kind; never changes. */
  type: ConversationType;
  /** The group's name, 1 to 100 characters; empty for DIRECT. */
  name: string;
  /** Its members ordered by user id, at most the first 100: GetConversationMembers pages through all. */
  memberIds: string[];
  /** How many members it has. */
  memberCount: number;
  /** Who opened it. */
  createdBy: string;
  /** The sequence of the newest message; 0 before the first. */
  lastSequence: Int64;
  /** When it was opened. */
  createdAt: string;
  /** When its name or its members last changed. */
  updatedAt: string;
  /** When it ended; absent while it is live. */
  deletedAt?: string;
  /** Starts at 1; a change of name, members or roles adds 1. Messages do not change it. */
  version: Int64;
}

/** A conversation as one of its members sees it. */
export interface ConversationView {
  /** The conversation. */
  conversation: Conversation;
  /** Live messages after the member's read marker that others sent. */
  unreadCount: Int64;
  /** Its newest live message; absent if there is none. */
  lastMessage?: Message;
}

/**
 * What a member may do.
 *
 * - OWNER: May do everything; each group has exactly one.
 * - ADMIN: May rename the group, add people, remove members and delete messages.
 * - MEMBER: May read and write. Both sides of a DIRECT conversation have this role.
 */
export type MemberRole = "OWNER" | "ADMIN" | "MEMBER";

/** Somebody's membership in a conversation. */
export interface Member {
  /** Who. */
  userId: string;
  /** What they may do. */
  role: MemberRole;
  /** Since when, the last time they joined. */
  joinedAt: string;
  /** Their read marker: everything up to this sequence is read. */
  lastReadSequence: Int64;
}

/** Asks for a page of messages. */
export interface GetMessagesRequest {
  /** The conversation. */
  conversationId: string;
  /**
   * Messages a page: 0 = 50, above the maximum (100) = the maximum, negative is refused. A page may end earlier when its
   * messages are large (3 MiB by default); whether there is more, only `nextPageToken` tells.
   */
  limit?: number | undefined;
  /** Whether deleted messages are returned too, as records without content. */
  includeDeleted?: boolean | undefined;
  /** `nextPageToken` of the page before; empty for the first. Bound to the other arguments except `limit`. */
  pageToken?: string | undefined;
  /** Only messages with a smaller sequence than this; at least 1. */
  beforeSequence?: Int64 | number | undefined;
  /** Only messages with a larger sequence than this; at least 0. */
  afterSequence?: Int64 | number | undefined;
  /** Messages to skip, 0 to 10,000; not together with `pageToken`. Page tokens are faster. */
  offset?: number | undefined;
}

/** A page of messages. */
export interface GetMessagesResponse {
  /** The messages, newest first. */
  messages: Message[];
  /** All messages of the conversation, whatever the bounds: the live ones, with `includeDeleted` all. */
  totalCount: Int64;
  /** Asks for the next page; empty on the last. */
  nextPageToken: string;
}

/** Asks for one message. */
export interface GetMessageRequest {
  /** The message. */
  messageId: string;
}

/** One message. */
export interface GetMessageResponse {
  /** The message. */
  message: Message;
}

/** Asks for one conversation. */
export interface GetConversationRequest {
  /** The conversation. */
  conversationId: string;
}

/** One conversation as the caller sees it. */
export interface GetConversationResponse {
  /** The conversation. */
  conversation: Conversation;
  /** Live messages after the caller's read marker that others sent. */
  unreadCount: Int64;
  /** Its newest live message; absent if there is none. */
  lastMessage?: Message;
}

/** Asks for a page of members. */
export interface GetConversationMembersRequest {
  /** The conversation. */
  conversationId: string;
  /** Members a page: 0 = 20, above the maximum (100) = the maximum, negative is refused. */
  limit?: number | undefined;
  /** `nextPageToken` of the page before; empty for the first. Bound to the other arguments except `limit`. */
  pageToken?: string | undefined;
}

/** A page of members. */
export interface GetConversationMembersResponse {
  /** The members' ids, in the order of `members`. */
  userIds: string[];
  /** The members, ordered by user id. */
  members: Member[];
  /** How many members the conversation has. */
  totalMembers: number;
  /** Asks for the next page; empty on the last. */
  nextPageToken: string;
}

/** Sends a message. Exactly one of `content` and `encrypted` is set. */
export interface SendMessageRequest {
  /** The conversation. */
  conversationId: string;
  /** Who sends it; empty or `me` = the caller. */
  senderId?: string | undefined;
  /** The text: 1 byte to 64 KiB of UTF-8 without U+0000. */
  content?: string | undefined;
  /** Content that the client has encrypted. */
  encrypted?: EncryptedContentInput | undefined;
  /**
   * An id of the client's choice, 1 to 128 characters without control characters, unique among the sender's messages
   * in the conversation. Makes retries safe; without it each call is a new message.
   */
  clientMessageId?: string | undefined;
}

/** The stored message. */
export interface SendMessageResponse {
  /** The message. */
  message: Message;
}

/** Edits a message. Exactly one of `updatedContent` and `encrypted` is set. */
export interface UpdateMessageRequest {
  /** The message. */
  messageId: string;
  /** The new text: 1 byte to 64 KiB of UTF-8 without U+0000. */
  updatedContent?: string | undefined;
  /** The new content, encrypted by the client. */
  encrypted?: EncryptedContentInput | undefined;
  /** The version that the edit builds on; 0 = whatever it is. */
  expectedVersion?: Int64 | number | undefined;
}

/** The edited message. */
export interface UpdateMessageResponse {
  /** The message. */
  message: Message;
}

/** Deletes a message. */
export interface DeleteMessageRequest {
  /** The message. */
  messageId: string;
}

/** The message is deleted. */
export interface DeleteMessageResponse {
  /** Always true. */
  success: boolean;
  /** When it was deleted: on a repeat, the first time. */
  deletedAt: string;
}

/** Moves a read marker. */
export interface MarkAsReadRequest {
  /** The newest message that has been read. */
  messageId: string;
  /** Whose marker; empty or `me` = the caller's. */
  readerId?: string | undefined;
}

/** The marker is at the message or beyond it. */
export interface MarkAsReadResponse {
  /** Always true. */
  success: boolean;
  /** What is still unread in the conversation. */
  unreadCount: Int64;
}

/** Asks how much is unread. */
export interface GetUnreadCountRequest {
  /** Whose count; empty or `me` = the caller's. */
  userId?: string | undefined;
  /** Only in this conversation; absent = the sum of all. */
  conversationId?: string | undefined;
}

/** How much is unread. */
export interface GetUnreadCountResponse {
  /** Live messages after the read markers that others sent. */
  unreadCount: Int64;
}

/** Asks for a page of conversations. */
export interface ListConversationsRequest {
  /** Whose conversations; empty or `me` = the caller's. */
  userId?: string | undefined;
  /**
   * Conversations a page: 0 = 20, above the maximum (100) = the maximum, negative is refused. A page may end earlier when
   * the last messages are large (3 MiB by default); whether there is more, only `nextPageToken` tells.
   */
  limit?: number | undefined;
  /** Conversations to skip, 0 to 10,000; not together with `pageToken`. */
  offset?: number | undefined;
  /**
   * `nextPageToken` of the page before; empty for the first. Bound to the other arguments except `limit`. A
   * conversation that becomes active while one pages moves to the front, behind the pages already read.
   */
  pageToken?: string | undefined;
}

/** A page of conversations. */
export interface ListConversationsResponse {
  /** The conversations, latest activity (a message sent, or the opening) first. */
  conversations: ConversationView[];
  /** How many conversations the user is a member of. */
  totalCount: Int64;
  /** Asks for the next page; empty on the last. */
  nextPageToken: string;
}

/** Opens a conversation. */
export interface CreateConversationRequest {
  /** DIRECT or GROUP. */
  type?: ConversationType | undefined;
  /**
   * Who belongs to it besides the caller, whose own id may be named or left out; repeats count once. DIRECT: exactly
   * one other person. GROUP: at most 999 others by default.
   */
  memberIds?: string[] | undefined;
  /**
   * The group's name, 1 to 100 characters without control characters; surrounding white space is dropped. Must be
   * absent or empty for DIRECT.
   */
  name?: string | undefined;
  /**
   * An id of the client's choice, 1 to 128 characters without control characters, unique among the caller's. Makes
   * retries safe.
   */
  clientConversationId?: string | undefined;
}

/** The conversation. */
export interface CreateConversationResponse {
  /** The conversation: new, or the one that there was. */
  conversation: Conversation;
}

/** Changes a group. Only fields that are set change. */
export interface UpdateConversationRequest {
  /** The conversation. */
  conversationId: string;
  /** The new name, 1 to 100 characters without control characters; surrounding white space is dropped. */
  name?: string | undefined;
  /** The version that the change builds on; 0 = whatever it is. */
  expectedVersion?: Int64 | number | undefined;
}

/** The changed conversation. */
export interface UpdateConversationResponse {
  /** The conversation. */
  conversation: Conversation;
}

/** Adds people to a group. */
export interface AddMembersRequest {
  /** The conversation. */
  conversationId: string;
  /** Who is added with the role MEMBER: 1 to 100 ids; repeats count once. */
  userIds?: string[] | undefined;
}

/** The people are in. */
export interface AddMembersResponse {
  /** The conversation with its new members. */
  conversation: Conversation;
  /** Who was not a member before, ordered by user id. */
  addedUserIds: string[];
}

/** Removes a member from a group. */
export interface RemoveMemberRequest {
  /** The conversation. */
  conversationId: string;
  /** Who is removed; one's own id leaves. */
  userId: string;
}

/** The member is out. */
export interface RemoveMemberResponse {
  /** Always true. */
  success: boolean;
}

/** Changes a member's role. */
export interface UpdateMemberRoleRequest {
  /** The conversation. */
  conversationId: string;
  /** Whose role. */
  userId: string;
  /** The new role. */
  role?: MemberRole | undefined;
}

/** The changed membership. */
export interface UpdateMemberRoleResponse {
  /** The member with the new role. */
  member: Member;
}

/** Asks for the changes to the caller's conversations. */
export interface StreamEventsRequest {
  /** The cursor of the last event that was dealt with; absent = from now on. */
  cursor?: string | undefined;
  /** Only changes to these conversations, at most 100; empty = all. */
  conversationIds?: string[] | undefined;
}

/**
 * One event.
 *
 * One at most is there of `heartbeat`, `messageSent`, `messageEdited`, `messageDeleted`, `messagesRead`, `memberAdded`, `memberRemoved`, `memberRoleChanged`, `conversationCreated`, `conversationUpdated`, `typing`.
 * What happened. A client passes over what it does not know: there may be more kinds in time.
 */
export interface StreamEventsResponse {
  /** Where to go on after this event: opaque, to be stored as it is. Empty for typing, which there is no going back to. */
  cursor: string;
  /** The conversation; empty for a heartbeat. */
  conversationId: string;
  /**
   * The event's place among all changes to its conversation: 1, 2, 3 …; 0 for typing and a heartbeat. Changes that are not
   * told to the caller leave a gap.
   */
  eventNumber: Int64;
  /** When it happened; empty for a heartbeat. */
  createdAt: string;
  /** Who did it; empty for a heartbeat. */
  actorId: string;
  /** Nothing has: the stream is alive. Comes first, and whenever nothing else has for 15 seconds (by default). */
  heartbeat?: Heartbeat;
  /** A message was sent. */
  messageSent?: Message;
  /** A message was edited. */
  messageEdited?: Message;
  /** A message was deleted; it has no content any more. */
  messageDeleted?: Message;
  /** Somebody's read marker moved. */
  messagesRead?: MessagesRead;
  /** Somebody was added to a group. */
  memberAdded?: Member;
  /** Somebody left a group or was removed from it. */
  memberRemoved?: MemberRemoved;
  /** A member of a group got another role. */
  memberRoleChanged?: Member;
  /** A conversation was opened. */
  conversationCreated?: Conversation;
  /** A group was renamed. */
  conversationUpdated?: Conversation;
  /** Somebody is writing. */
  typing?: Typing;
}

/** The stream is alive. */
export type Heartbeat = Record<string, never>;

/** A read marker that moved. */
export interface MessagesRead {
  /** Whose. */
  readerId: string;
  /** Everything up to this sequence is read. */
  lastReadSequence: Int64;
}

/** A membership that ended. */
export interface MemberRemoved {
  /** Whose. */
  userId: string;
}

/** Somebody is writing. */
export interface Typing {
  /** Who. */
  userId: string;
}

/** The caller is writing. */
export interface SendTypingRequest {
  /** The conversation. */
  conversationId: string;
}

/** It was passed on. */
export type SendTypingResponse = Record<string, never>;

/** Asks how the streams are doing. */
export type GetStreamStatsRequest = Record<string, never>;

/** How the event streams of one replica are doing. */
export interface GetStreamStatsResponse {
  /** Streams open. */
  openStreams: Int64;
  /** People who have a stream open. */
  listeningUsers: Int64;
  /** Events handed to streams since the replica started. */
  eventsDelivered: Int64;
  /** Streams that were cut off because their readers were slow, since the replica started. */
  slowReaders: Int64;
  /** Milliseconds since the replica last looked at the log and found that it had everything; 0 if nobody listens. */
  logLagMs: Int64;
  /** When the replica started. */
  startedAt: string;
  /** Whether Redis carries wake-ups to other replicas; without it they look for changes several times a second. */
  redisConnected: boolean;
}
