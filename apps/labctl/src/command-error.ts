/** Something the person at the terminal has to act on: what is wrong, and the way out. */
export class CommandError extends Error {
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, options: { hint?: string | undefined; exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CommandError';
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? 1;
  }
}
