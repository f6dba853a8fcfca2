/**
 * What OPEN asks for: one schema a kind. The client sends `server` by id or host name; labd resolves it, decides, and
 * sends the same message on to the agent with `session` and, for exec, the account that was allowed. Each schema is made
 * when it is first used, as in messages.ts.
 */
import { z } from 'zod';
import { frameLimits, signalNames } from './frame-types.ts';

const argBytesMax = 128 * 1024;
const envBytesMax = 32 * 1024;
const bytes = (text: string) => new TextEncoder().encode(text).length;
const noNul = (text: string) => !text.includes('\0');

/** PostgreSQL takes no NUL: one name with it would fail a look-up as if the store were broken. */
const serverField = z.string().min(1).max(253).refine(noNul, 'holds a NUL byte');
const sessionField = z.uuid();
const windowField = z.int().min(1024).max(frameLimits.windowBytesMax).optional();
const pathField = z
  .string()
  .min(1)
  .max(4096)
  .refine(noNul, 'holds a NUL byte')
  .refine((p) => p.startsWith('/'), 'is not absolute');
const loginField = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}\$?$/, 'is not an account name');

/** Variables that would change what runs (EX-1). */
const refusedEnv = (name: string) => name.startsWith('LD_') || name === 'BASH_ENV' || name === 'ENV';

export const ttySchema = z.lazy(() =>
  z.object({
    term: z.string().regex(/^[A-Za-z0-9.+_-]{1,64}$/),
    cols: z.int().min(1).max(65_535),
    rows: z.int().min(1).max(65_535),
  }),
);
export type Tty = z.infer<typeof ttySchema>;

const envSchema = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().refine(noNul, 'holds a NUL byte'))
  .refine((env) => !Object.keys(env).some(refusedEnv), 'LD_*, BASH_ENV and ENV are refused')
  .refine(
    (env) => Object.entries(env).reduce((sum, [k, v]) => sum + bytes(k) + bytes(v) + 2, 0) <= envBytesMax,
    'is larger than 32 KiB',
  );

/** Filled by labd, never believed from a client. */
const byLabd = { session: sessionField.optional(), principal: z.string().max(300).optional() };

export const openExecSchema = z.lazy(() =>
  z
    .object({
      kind: z.literal('exec'),
      ...byLabd,
      server: serverField,
      argv: z
        .array(z.string().refine(noNul, 'holds a NUL byte'))
        .min(1)
        .max(4096)
        .refine((argv) => argv.reduce((sum, one) => sum + bytes(one) + 1, 0) <= argBytesMax, 'is larger than 128 KiB')
        .optional(),
      /** Run by `/bin/sh -c`. Without argv and shell: the account's login shell. */
      shell: z
        .string()
        .min(1)
        .refine(noNul, 'holds a NUL byte')
        .refine((text) => bytes(text) <= argBytesMax, 'is larger than 128 KiB')
        .optional(),
      login: loginField.optional(),
      cwd: pathField.optional(),
      env: envSchema.default({}),
      tty: ttySchema.unwrap().nullable().default(null),
      /** False: the command's stdin is /dev/null. */
      stdin: z.boolean().default(true),
      timeoutMs: z
        .int()
        .min(1)
        .max(7 * 24 * 3_600_000)
        .optional(),
      detach: z.boolean().default(false),
      keepChildren: z.boolean().default(false),
      noRecord: z.boolean().default(false),
      job: z.uuid().optional(),
      window: windowField,
    })
    .refine((open) => open.argv === undefined || open.shell === undefined, {
      path: ['shell'],
      error: 'give argv or shell, not both',
    }),
);

export const openAttachSchema = z.lazy(() =>
  z.object({
    kind: z.literal('attach'),
    ...byLabd,
    /** The session to attach to. */
    target: sessionField,
    server: serverField.optional(),
    tty: ttySchema.unwrap().nullable().default(null),
    window: windowField,
  }),
);

/** Files to the server: records on stream `in` (CP-1). */
export const openCopyInSchema = z.lazy(() =>
  z.object({
    kind: z.literal('copy-in'),
    ...byLabd,
    server: serverField,
    path: pathField,
    login: loginField.optional(),
    recursive: z.boolean().default(false),
    preserve: z.boolean().default(false),
    /** Names the partial file, so that a copy goes on where it was cut (CP-2). */
    transfer: z.uuid(),
    /** Bytes to come, for the check of free space. */
    totalBytes: z.int().min(0).optional(),
    window: windowField,
  }),
);
/** Files from the server: records on stream `out`. */
export const openCopyOutSchema = z.lazy(() =>
  z.object({
    kind: z.literal('copy-out'),
    ...byLabd,
    server: serverField,
    path: pathField,
    login: loginField.optional(),
    recursive: z.boolean().default(false),
    preserve: z.boolean().default(false),
    /** Go on after `offset` bytes of the file, whose SHA-256 so far is `sha256` (CP-2). */
    resume: z.object({ offset: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
    window: windowField,
  }),
);

/** TCP from the server (PF-1). */
export const openForwardSchema = z.lazy(() =>
  z.object({
    kind: z.literal('forward'),
    ...byLabd,
    server: serverField,
    host: z.string().min(1).max(253).refine(noNul, 'holds a NUL byte').default('localhost'),
    port: z.int().min(1).max(65_535),
    window: windowField,
  }),
);

/** Log lines as NDJSON on stream `out` (LG-1 … LG-3). */
export const openLogsSchema = z.lazy(() =>
  z.object({
    kind: z.literal('logs'),
    ...byLabd,
    server: serverField,
    unit: z
      .string()
      .regex(/^[A-Za-z0-9:_.\\@-]{1,255}$/)
      .optional(),
    file: pathField.optional(),
    follow: z.boolean().default(false),
    /** Unix ms. */
    since: z.int().min(0).optional(),
    until: z.int().min(0).optional(),
    tail: z.int().min(0).max(1_000_000).optional(),
    grep: z.string().max(1024).optional(),
    level: z.enum(['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug']).optional(),
    /** Go on after this line. */
    cursor: z.string().max(1024).optional(),
    window: windowField,
  }),
);

/** Facts now, or another small question to the agent; answered as one JSON document on stream `out`. */
export const openFactsSchema = z.lazy(() => z.object({ kind: z.literal('facts'), ...byLabd, server: serverField }));

export const openSchema = z.lazy(() =>
  z.discriminatedUnion('kind', [
    openExecSchema.unwrap(),
    openAttachSchema.unwrap(),
    openCopyInSchema.unwrap(),
    openCopyOutSchema.unwrap(),
    openForwardSchema.unwrap(),
    openLogsSchema.unwrap(),
    openFactsSchema.unwrap(),
  ]),
);
export type Open = z.infer<typeof openSchema>;
export type OpenKind = Open['kind'];
export type OpenOf<K extends OpenKind> = Extract<Open, { kind: K }>;

/** One log line (stream `out` of logs). */
export const logLineSchema = z.lazy(() =>
  z.object({
    /** Unix ms, null when the source tells none. */
    at: z.number().nullable(),
    unit: z.string().optional(),
    level: z.string().optional(),
    text: z.string(),
    cursor: z.string(),
  }),
);
export type LogLine = z.infer<typeof logLineSchema>;

/** The head of one copied file (CP-1): u32 big-endian length, this JSON, then `size` bytes when it is a file. */
export const copyRecordSchema = z.lazy(() =>
  z.object({
    /** Relative to the target; '' is the target itself. */
    path: z.string().max(4096).refine(noNul, 'holds a NUL byte'),
    type: z.enum(['file', 'directory', 'symlink', 'end']),
    mode: z.int().min(0).max(0o7777).optional(),
    uid: z.int().min(0).optional(),
    gid: z.int().min(0).optional(),
    mtimeMs: z.number().optional(),
    size: z.int().min(0).optional(),
    /** Where the bytes that follow begin, when a copy goes on. */
    offset: z.int().min(0).optional(),
    link: z.string().max(4096).optional(),
    /** On `end`: SHA-256 of the record's file bytes, or of all files in order. */
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  }),
);
export type CopyRecord = z.infer<typeof copyRecordSchema>;

export const signalSchema = z.enum(signalNames);
