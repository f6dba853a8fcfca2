import type { ScannedBody } from '@labmesh/inference/relay/scan-body';
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { Identity } from '../access/authenticate.ts';

/** One chat request on its way. */
export type Asked = {
  exchange: Exchange;
  requestId: string;
  identity: Identity;
  body: ScannedBody;
  /** The model's name as the client wrote it. */
  name: string;
};
