import { closedLoop } from './load/closed-loop.ts';
import { parseLoadPlan } from './load/load-plan.ts';
import { pacedLoop } from './load/paced-loop.ts';
import { sseLoop } from './load/sse-loop.ts';

/**
 * The load generator, a process of its own so that it can be pinned: `bun bench/load.ts --url http://127.0.0.1:1/v1
 * --mode closed|paced|sse`. Prints one LoadResult as JSON.
 */
const plan = parseLoadPlan(Bun.argv.slice(2));
const loops = { closed: closedLoop, paced: pacedLoop, sse: sseLoop };
console.log(JSON.stringify(await loops[plan.mode](plan)));
