import { attestBench } from './attest.ts';
import { fleetBench } from './fleet.ts';
import { relayBench } from './relay.ts';
import { startBench } from './start.ts';
import { tunnelBench } from './tunnel.ts';
import { verifyBench } from './verify.ts';

/** `npm run bench [-- NAME FLAGS]`: every bench by name; relay when none is named. Each gives an exit code. */
const benches: Record<string, (argv: readonly string[], owned: AsyncDisposableStack) => Promise<number>> = {
  relay: relayBench,
  fleet: fleetBench,
  start: startBench,
  tunnel: tunnelBench,
  attest: attestBench,
  verify: verifyBench,
};

const [first = '', ...rest] = Bun.argv.slice(2);
const named = first !== '' && !first.startsWith('--');
const name = named ? first : 'relay';
const bench = benches[name];
if (bench === undefined) {
  console.error(`no bench named ${name}; there are: ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}

/** What the bench started: ended on every way out, so that no target keeps a core busy afterwards. */
const owned = new AsyncDisposableStack();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void owned.disposeAsync().then(() => process.exit(130)));
}
let code = 1;
try {
  code = await bench(named ? rest : Bun.argv.slice(2), owned);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
} finally {
  await owned.disposeAsync();
}
process.exit(code);
