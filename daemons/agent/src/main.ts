/** The program `lab-agent`. */
import { runMain } from '@labmesh/kit/run';
import { agentMain } from './agent-main.ts';

await runMain((life) => agentMain(process.argv.slice(2), life));
