/** Opens the sandbox as whoever runs this and prints what it can do; for the test without root. */
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { sandboxJobSchema } from '@labmesh/wire/verification/sandbox';
import { openSandbox } from '../open-sandbox.ts';

await using sandbox = await openSandbox({
  uidBase: 900_000,
  log: silentLogger,
  bunPath: process.execPath,
  wasmCommand: [process.execPath, join(import.meta.dir, '../wasm/wasm-child.ts')],
  tempDir: process.argv[2] ?? '/tmp',
});
const run = (job: unknown) => sandbox.run(sandboxJobSchema.parse(job), 'id');
const results = [
  await run({ minLevel: 'SANDBOX_L0_WASM', language: 'javascript', code: 'console.log(1)' }),
  await run({ language: 'bash', code: 'echo 2; echo x > made; echo e > /dev/stderr', collect: ['made'] }),
  await run({ language: 'python', code: 'import os\nn = 0\nwhile n < 100 and os.fork(): n += 1', limits: { pids: 8 } }),
];
process.stdout.write(JSON.stringify({ levels: sandbox.levels(), results }));
