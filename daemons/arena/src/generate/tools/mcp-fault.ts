/**
 * Why a tool server could not be asked. `message` is of ours, without address and secret; that of `rpc_error` is the
 * server's own, whole: it is masked and cut before anybody reads it.
 */
export class McpFault extends Error {
  readonly code:
    | 'unreachable'
    | 'timeout'
    | 'too_large'
    | 'bad_answer'
    | 'refused'
    /** Status 400: by some servers of a session that they forgot, by others of what was asked. */
    | 'bad_request'
    /** Status 404: by the protocol, of a session that the server does not know. */
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
