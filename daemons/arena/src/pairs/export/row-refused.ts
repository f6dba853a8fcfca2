/** Why a format cannot hold a pair. What a trainer's loader would skip without a word is left out here, and counted. */
export type RefusalCode =
  /** Turns do not alternate, or a system message stands in their midst. */
  | 'TURN_ORDER'
  /** Does not end with a turn that is to be answered. */
  | 'TURN_COUNT'
  /** More than one message on a side. */
  | 'SEVERAL_ANSWERS'
  /** An answer that is not the assistant's. */
  | 'NO_ANSWER'
  | 'ROLE_UNKNOWN'
  /** Images, audio. */
  | 'NOT_TEXT'
  /** No content where there has to be some. */
  | 'NO_CONTENT'
  /** The format has either words or calls in one turn. */
  | 'TEXT_BESIDE_TOOL_CALL'
  /** Arguments that are no JSON object, or a call without a name. */
  | 'TOOL_CALL_BAD'
  | 'TOOLS_BAD'
  /** The format has no turns of tools. */
  | 'TOOL_TURN'
  /** The format has one question and one answer. */
  | 'MULTI_TURN'
  /** Not made by a correction. */
  | 'NOT_CORRECTED'
  /** A text that a tokenizer would take for a mark of its own. */
  | 'CONTROL_TOKEN';

export class RowRefused extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode) {
    super(code);
    this.name = 'RowRefused';
    this.code = code;
  }
}
