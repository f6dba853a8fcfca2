/** What labd says and what keeps it from being heard, as errors for people (CT-8, CT-9). */
import { parseJson } from '@labmesh/kit/parse-json';
import { PeerRefused } from '@labmesh/pki/peer-refused';
import { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { exitCodeOf, exitCodes, type ExitCode } from '../exit-codes.ts';

/** AP-5. Read loosely: a newer labd may say more. */
const bodySchema = z.object({
  error: z.object({
    code: z.string().max(64),
    message: z.string().max(8_192),
    field: z.string().max(512).optional(),
    hint: z.string().max(8_192).optional(),
    requestId: z.string().max(128).optional(),
    retryAfterMs: z.number().min(0).optional(),
  }),
});

/** The way out where labd names none. */
const hints: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: 'labctl login',
  REVOKED: 'labctl login makes a new certificate, if you may still have one',
  PERMISSION_DENIED: 'labctl auth can-i VERB KIND/NAME --explain tells which rule decides',
  NOT_FOUND: 'labctl get TYPE lists what there is and you may see',
  STALE_REVISION: 'read it again and repeat',
  AGENT_NOT_CONNECTED: 'labctl describe server/NAME tells when it was last seen',
  WRONG_LISTENER: 'labd.url must be the API address (port 3100), not that of the agents',
  VERSION_UNSUPPORTED: 'install the labctl that belongs to this labd; labctl version shows both',
  STORE_UNAVAILABLE: 'try again in a moment; labctl doctor looks for the cause',
  AUDIT_UNAVAILABLE: 'try again in a moment; labctl doctor looks for the cause',
};

/** An answer with an error status. */
export class LabdError extends CommandError {
  readonly status: number;
  /** How long labd wants to be left alone; undefined when it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: ConstructorParameters<typeof CommandError>[1] & { status: number; retryAfterMs: number | undefined },
  ) {
    super(message, options);
    this.name = 'LabdError';
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export type FailedAnswer = {
  status: number;
  text: string;
  /** Header `x-request-id`. */
  requestId: string | undefined;
  /** Header `retry-after`, seconds. */
  retryAfter: string | undefined;
};

const inSeconds = (text: string | undefined) =>
  text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : undefined;

/** Any answer becomes an error that can be shown. */
export function labdError(answer: FailedAnswer): LabdError {
  const { status, text } = answer;
  const said = bodySchema.safeParse(parseJson(text)).data?.error;
  const retryAfterMs = inSeconds(answer.retryAfter) ?? said?.retryAfterMs;
  const requestId = said?.requestId ?? answer.requestId;
  if (said === undefined) {
    const hint = 'is a labd behind labd.url? labctl doctor looks for the cause';
    return new LabdError(`labd answered with status ${status}`, {
      hint,
      status,
      requestId,
      retryAfterMs,
      exitCode: exitCodeOf(undefined, status),
    });
  }
  const { code, message, field } = said;
  const where = field === undefined || message.includes(field) ? '' : `${field}: `;
  // A denial names role and rule; a code behind the closing quote of the rule tells nothing more (CT-9).
  const what = code === 'PERMISSION_DENIED' ? message : `${message} (${code})`;
  const hint = said.hint ?? hints[code];
  return new LabdError(`${where}${what}`, {
    hint,
    code,
    status,
    requestId,
    retryAfterMs,
    exitCode: exitCodeOf(code, status),
  });
}

type Cause = { text: string; hint: string; exitCode?: ExitCode };

const doctorHint = 'labctl doctor looks for the cause';
const certificateHint =
  'the CA may have been rotated, or somebody stands in between; labctl login URL --ca-pin PIN trusts it anew';

const causes: Readonly<Record<string, Cause>> = {
  ECONNREFUSED: {
    text: 'nothing listens there',
    hint: 'is labd running, and labd.url right? labctl config get labd.url --show-origin',
  },
  ENOENT: {
    text: 'there is no such socket',
    hint: 'is labd running on this machine? LABCTL_ADMIN_SOCKET names another',
  },
  EACCES: {
    text: 'this user may not open it',
    hint: 'the admin socket is for root: sudo labctl … --local',
    exitCode: exitCodes.denied,
  },
  ENOTFOUND: {
    text: 'the host name is not known',
    hint: 'labctl config get labd.url --show-origin tells where it comes from',
  },
  EAI_AGAIN: { text: 'no name server answers', hint: doctorHint },
  ECONNRESET: { text: 'the connection was cut', hint: doctorHint },
  EHOSTUNREACH: { text: 'there is no way to that host', hint: doctorHint },
  ENETUNREACH: { text: 'there is no way to that network', hint: doctorHint },
  ETIMEDOUT: { text: 'the host does not answer', hint: doctorHint, exitCode: exitCodes.timeout },
  ERR_SSL_WRONG_VERSION_NUMBER: { text: 'it does not speak TLS', hint: 'labd.url must be the https address of labd' },
  CERT_HAS_EXPIRED: { text: 'its certificate has expired', hint: 'check the clocks of both machines; labctl doctor' },
  CERT_NOT_YET_VALID: {
    text: 'its certificate is not valid yet',
    hint: 'check the clocks of both machines; labctl doctor',
  },
};

/** The error of a connection that never gave an answer. `where`: `labd at https://…`. */
export function unreachable(where: string, error: unknown): CommandError {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = causes[code ?? ''];
  const isCertificate =
    error instanceof PeerRefused || /CERT|ISSUER|VERIFY|ALTNAME|PURPOSE|INVALID_CA|PATH_LENGTH/.test(code ?? '');
  const text = known?.text ?? (isCertificate ? `it is not trusted: ${message}` : message || String(error));
  return new CommandError(`${where} cannot be reached: ${text}`, {
    hint: known?.hint ?? (isCertificate ? certificateHint : doctorHint),
    exitCode: known?.exitCode ?? exitCodes.unreachable,
    cause: error,
  });
}
