/** The same as a process of its own: `bun start-transit.ts SOCKET TOKEN KEY…`. It ends with its stdin. */
import { TransitSimulator } from './transit-simulator.ts';

const [socketPath = '', token = '', ...names] = process.argv.slice(2);
const simulator = new TransitSimulator({ socketPath, token }, names);
process.stdout.write('{"ready":true}\n');
for await (const _ of Bun.stdin.stream());
await simulator[Symbol.asyncDispose]();
