/** The table of labd's operations (AP-1). What is missing here has no route; what is here without a handler fails tsc. */
import type { FleetOperation } from './operation.ts';
import { loginOperations } from './operations/login-operations.ts';
import { nodeOperations } from './operations/node-operations.ts';
import { peopleOperations } from './operations/people-operations.ts';
import { recordOperations } from './operations/record-operations.ts';
import { serverOperations } from './operations/server-operations.ts';
import { systemOperations } from './operations/system-operations.ts';
import { tunnelOperations } from './operations/tunnel-operations.ts';

export const fleetOperations = [
  ...systemOperations,
  ...loginOperations,
  ...serverOperations,
  ...nodeOperations,
  ...tunnelOperations,
  ...peopleOperations,
  ...recordOperations,
] as const;

type Operations = (typeof fleetOperations)[number];
export type OperationName = Operations['name'];
export type OperationOf<N extends OperationName> = Extract<Operations, { name: N }>;

const byName = new Map<string, FleetOperation>(fleetOperations.map((one) => [one.name, one]));

/** The row of an operation. */
export const fleetOperation = <N extends OperationName>(name: N): OperationOf<N> => byName.get(name) as OperationOf<N>;
