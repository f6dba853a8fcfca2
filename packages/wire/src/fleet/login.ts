/** How people log in (ID-2 … ID-4): bodies and answers of `/api/auth/*`. */
import { z } from 'zod';
import { csrPemField } from './enrolment.ts';
import { principalSchema } from './principal.ts';
import { idField, timeField } from './resources/fields.ts';

/** One-time user token; session; browser ticket, whose id is that of its login. The last part is 32 random bytes. */
export const userTokenPattern = /^lmu_[0-9a-hjkmnp-tv-z]{8}_[A-Za-z0-9_-]{43}$/;
export const loginSessionPattern = /^lms_[0-9a-hjkmnp-tv-z]{8}_[A-Za-z0-9_-]{43}$/;
export const ticketPattern = /^lmt_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/;

/** Where the certificate will live, for the audit row: `alice-laptop`. */
const deviceField = z
  .string()
  .max(64)
  .regex(/^[\w .@-]*$/, 'is not a device name')
  .optional();

export const userEnrollSchema = z
  .object({ token: z.string().max(256), csrPem: csrPemField, device: deviceField })
  .strict();
export type UserEnroll = z.infer<typeof userEnrollSchema>;

export const loggedInUserSchema = z.object({ id: idField, name: z.string() });

/** `loginExpiresAt`: until then the certificate renews; later it takes a new login. */
export const userCertificateSchema = z.object({
  user: loggedInUserSchema,
  certificatePem: z.string(),
  chainPem: z.string(),
  caPem: z.string(),
  caPin: z.string(),
  expiresAt: timeField,
  renewAfter: timeField,
  loginExpiresAt: timeField,
});
export type UserCertificate = z.infer<typeof userCertificateSchema>;

/** The rules for a new password are `set-password`'s: here any text is tried, and all failures look alike (ID-3). */
export const loginSchema = z
  .object({
    user: z.string().min(1).max(253),
    password: z.string().min(1).max(1_024),
    totp: z
      .string()
      .regex(/^\d{6}$/, 'is not a six-digit code')
      .optional(),
  })
  .strict();
export type Login = z.infer<typeof loginSchema>;

/** `session` is the bearer `lms_…`, given this once. */
export const loggedInSchema = z.object({
  user: loggedInUserSchema,
  session: z.string().regex(loginSessionPattern),
  expiresAt: timeField,
  /** Unused this long, it ends. */
  idleMs: z.int(),
});
export type LoggedIn = z.infer<typeof loggedInSchema>;

export const logoutSchema = z.object({}).strict();
export const certificateRequestSchema = z.object({ csrPem: csrPemField, device: deviceField }).strict();
export type CertificateRequest = z.infer<typeof certificateRequestSchema>;

/** Second WebSocket subprotocol of a browser (LD-5): one use, 30 s. */
export const ticketSchema = z.object({ ticket: z.string().regex(ticketPattern), expiresAt: timeField });
export type Ticket = z.infer<typeof ticketSchema>;

/** RFC 7636: 43 to 128 unreserved characters; its challenge is the base64url SHA-256. */
const verifierField = z.string().regex(/^[A-Za-z0-9._~-]{43,128}$/, 'is not a PKCE verifier');
const challengeField = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is not an S256 challenge');

/**
 * Code flow. The client makes the PKCE pair and listens on loopback; labd never holds the verifier until the callback,
 * so a stolen code is worth nothing to anyone, labd's own callers included.
 */
export const oidcStartSchema = z
  .object({
    redirectUri: z.url().max(512),
    challenge: challengeField,
  })
  .strict();
export type OidcStart = z.infer<typeof oidcStartSchema>;
export const oidcStartedSchema = z.object({ url: z.url(), state: z.string(), expiresAt: timeField });
export type OidcStarted = z.infer<typeof oidcStartedSchema>;

/** What the browser brought to the redirect, as the client hands it on. `iss`: RFC 9207. */
export const oidcCallbackSchema = z.object({
  code: z.string().min(1).max(4_096),
  state: z.string().min(1).max(2_048),
  verifier: verifierField,
  iss: z.string().max(2_048).optional(),
});
export type OidcCallback = z.infer<typeof oidcCallbackSchema>;

export const deviceSchema = z.object({}).strict();
/** RFC 8628. `handle` stands for the device code, which stays with labd. */
export const deviceStartedSchema = z.object({
  handle: z.string(),
  userCode: z.string(),
  verificationUri: z.string(),
  verificationUriComplete: z.string().nullable(),
  expiresAt: timeField,
  intervalMs: z.int(),
});
export type DeviceStarted = z.infer<typeof deviceStartedSchema>;

export const devicePollSchema = z.object({ handle: z.string().min(1).max(8_192) }).strict();
export type DevicePoll = z.infer<typeof devicePollSchema>;
export const devicePolledSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('pending'), intervalMs: z.int() }),
  loggedInSchema.extend({ status: z.literal('done') }),
]);
export type DevicePolled = z.infer<typeof devicePolledSchema>;

export const whoamiSchema = z.object({
  principal: principalSchema,
  groups: z.array(z.string()),
  roles: z.array(z.string()),
  /** How the caller proved it. */
  method: z.enum(['certificate', 'session', 'socket']),
  /** Of the certificate or session. */
  expiresAt: timeField.nullable(),
  serial: z.string().nullable(),
});
export type Whoami = z.infer<typeof whoamiSchema>;
