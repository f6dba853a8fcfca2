export type OptionsFault = {
  /** Where it stands: `--port`, `GATEWAY_PORT`, `labmesh.toml:14`. */
  source: string;
  /** Dotted path in a file; '' when the source is the key. */
  key?: string;
  /** What was given, as shown to the operator; never a secret. */
  found?: string;
  expected?: string;
  /** Way out, appended after `; `. */
  hint?: string;
  /** 2 = command line, 3 = file or environment, 4 = no file, 8 = an address that must not be listened on. */
  exitCode: 2 | 3 | 4 | 8;
};

/** A setting the operator has to correct. `message` is the one line to show. */
export class OptionsError extends Error {
  readonly source: string;
  readonly key: string;
  readonly found: string | undefined;
  readonly expected: string | undefined;
  readonly exitCode: 2 | 3 | 4 | 8;

  constructor(fault: OptionsFault, problem?: string) {
    const where = fault.key ? `${fault.source}: ${fault.key}` : fault.source;
    const what = problem ?? `found ${fault.found ?? 'nothing'}, expected ${fault.expected ?? 'something else'}`;
    super(`${where}: ${what}${fault.hint ? `; ${fault.hint}` : ''}`);
    this.name = 'OptionsError';
    this.source = fault.source;
    this.key = fault.key ?? fault.source;
    this.found = fault.found;
    this.expected = fault.expected;
    this.exitCode = fault.exitCode;
  }
}

/** How a found value is shown: JSON on one line, cut at 80 characters. */
export function showFound(value: unknown, secret = false): string {
  if (secret) return '[redacted]';
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
