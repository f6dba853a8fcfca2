/** A process that does nothing: to each line it says `{lateMs}`, so that what the machine did to a hub can be told. */
import { linesOf } from '../../tests/harness/tunnel/json-process.ts';
import { Lateness } from './lateness.ts';

const lateness = new Lateness();
for await (const _ of linesOf(Bun.stdin.stream())) console.log(JSON.stringify({ lateMs: lateness.take() }));
// Whoever asked is gone.
process.kill(process.pid);
