/** The program `labd`. */
import { runMain } from '@labmesh/kit/run';
import { labdMain } from './labd-main.ts';

await runMain((life) => labdMain(process.argv.slice(2), life));
