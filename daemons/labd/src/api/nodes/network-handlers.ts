/** What operators do with the network plane: nodes and their tunnel. */
import { type TunnelHandlerParts, tunnelHandlers } from '../handlers/tunnel-handlers.ts';
import { type NodeHandlerParts, nodeHandlers } from './node-handlers.ts';

export type NetworkHandlerParts = NodeHandlerParts & TunnelHandlerParts;

export const networkHandlers = (parts: NetworkHandlerParts) => ({ ...nodeHandlers(parts), ...tunnelHandlers(parts) });
