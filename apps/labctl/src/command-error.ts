import { exitCodes } from './exit-codes.ts';

export type CommandErrorOptions = {
  /** The way out, in one line. */
  hint?: string | undefined;
  exitCode?: number;
  /** The stable code of an API's error. */
  code?: string | undefined;
  /** What labd's log and audit have it under; shown with --verbose. */
  requestId?: string | undefined;
  cause?: unknown;
};

/** Something the person at the terminal has to act on: what is wrong, and the way out. */
export class CommandError extends Error {
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly code: string | undefined;
  readonly requestId: string | undefined;

  constructor(message: string, options: CommandErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CommandError';
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? exitCodes.failed;
    this.code = options.code;
    this.requestId = options.requestId;
  }
}
