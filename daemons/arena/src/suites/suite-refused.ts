/** What a suite, or a list of them, cannot be. Messages name places and limits, never a value of a case (V20). */
const statuses = {
  SUITE_TOO_LARGE: 413,
  SUITE_INVALID: 400,
  SUITE_NOT_FOUND: 404,
  /** As many suites as a tenant may have. */
  SUITES_FULL: 409,
  /** The sealed text, or the key file, is not what was written. */
  SUITE_UNREADABLE: 500,
} as const;

export type SuiteRefusalCode = keyof typeof statuses;

export class SuiteRefused extends Error {
  readonly code: SuiteRefusalCode;
  /** HTTP status. */
  readonly status: number;
  /** Such as `cases.3.args`. */
  readonly field: string | undefined;

  constructor(code: SuiteRefusalCode, message: string, field?: string) {
    super(message);
    this.name = 'SuiteRefused';
    this.code = code;
    this.status = statuses[code];
    this.field = field;
  }
}
