/** What a node may call, and nothing else (H1): in the table's form, so that limits, audit and reading are the same. */
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { operation, publicAccess } from '@labmesh/wire/fleet/operation';
import {
  nodeHeartbeatAnswerSchema,
  nodeHeartbeatRequestSchema,
  nodeRegisterAnswerSchema,
  nodeRegisterRequestSchema,
} from '@labmesh/wire/node';

/** REGISTER_BODY (tunnel K3): a Rosenpass key takes two thirds of it. */
const registerBodyBytesMax = 1024 * 1024;
const bodyBytesMax = 64 * 1024;

export const registerNode = operation({
  name: 'register-node',
  method: 'POST',
  path: '/api/v1/nodes/register',
  aliases: ['/api/nodes/register'],
  access: publicAccess,
  audit: 'S',
  bodyBytesMax: registerBodyBytesMax,
  summary: 'Joins a node, or says that it is back',
  body: nodeRegisterRequestSchema,
  output: nodeRegisterAnswerSchema,
});

export const beatNode = operation({
  name: 'beat-node',
  method: 'POST',
  path: '/api/v1/nodes/heartbeat',
  aliases: ['/api/nodes/heartbeat'],
  access: publicAccess,
  audit: '-',
  bodyBytesMax,
  summary: 'What a node says of itself every few seconds',
  body: nodeHeartbeatRequestSchema,
  output: nodeHeartbeatAnswerSchema,
});

export const nodeRoutes = [registerNode, beatNode] as const satisfies readonly FleetOperation[];
