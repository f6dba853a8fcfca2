/** Every way in which a call for preference data ends badly, with its HTTP status. Messages hold no text of a pair. */
const table = {
  TENANT_MISSING: { status: 401, error: 'Unauthorized' },
  TRAINING_NOT_ALLOWED: { status: 403, error: 'Forbidden' },
  TRIPLET_NOT_FOUND: { status: 404, error: 'Not found' },
  DATASET_NOT_FOUND: { status: 404, error: 'Not found' },
  ROUTE_NOT_FOUND: { status: 404, error: 'Not found' },
  VALIDATION_FAILED: { status: 400, error: 'Bad request' },
  BODY_TOO_LARGE: { status: 413, error: 'Too large' },
  DATASET_EMPTY: { status: 409, error: 'Conflict' },
  DATASET_TOO_LARGE: { status: 409, error: 'Conflict' },
  DATASET_TAINTED: { status: 409, error: 'Conflict' },
  PAIRS_BUSY: { status: 429, error: 'Too many requests' },
  DATASETS_FULL: { status: 409, error: 'Conflict' },
  DATASET_MOVED: { status: 409, error: 'Conflict' },
  DATASET_STAGE: { status: 409, error: 'Conflict' },
  BATCH_NOT_FOUND: { status: 404, error: 'Not found' },
  COMPARISON_NOT_FOUND: { status: 404, error: 'Not found' },
  LABELS_FULL: { status: 409, error: 'Conflict' },
  BATCH_DECIDED: { status: 409, error: 'Conflict' },
  HELD_OUT_UNREADABLE: { status: 503, error: 'Unavailable' },
  DATASET_DAMAGED: { status: 500, error: 'Damaged' },
  STORE_UNAVAILABLE: { status: 503, error: 'Unavailable' },
  INTERNAL: { status: 500, error: 'Internal error' },
} as const;

export type PairsErrorCode = keyof typeof table;

export class PairsError extends Error {
  readonly code: PairsErrorCode;
  readonly status: number;
  /** The field of the request that is at fault. */
  readonly field: string | undefined;

  constructor(code: PairsErrorCode, message: string, field?: string) {
    super(message);
    this.name = 'PairsError';
    this.code = code;
    this.status = table[code].status;
    this.field = field;
  }

  /** What the caller reads. */
  get body(): { error: string; message: string; code: PairsErrorCode; field?: string } {
    const { code, message, field } = this;
    return { error: table[code].error, message, code, ...(field !== undefined && { field }) };
  }
}
