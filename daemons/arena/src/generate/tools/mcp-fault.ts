/** Why a tool server could not be asked. `message` is of ours, or its own words cut short: no address, no secret. */
export class McpFault extends Error {
  readonly code:
    | 'unreachable'
    | 'timeout'
    | 'too_large'
    | 'bad_answer'
    | 'refused'
    /** It does not know the session any more: nothing was done. */
    | 'session_gone'
    /** A JSON-RPC error. */
    | 'rpc_error'
    | 'version';

  constructor(code: McpFault['code'], message: string) {
    super(message);
    this.name = 'McpFault';
    this.code = code;
  }
}
