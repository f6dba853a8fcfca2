/** The program `labmand` by itself, from a checkout. */
import { runMain } from '@labmesh/kit/run';
import { labmandMain } from './labmand-main.ts';

await runMain((life) => labmandMain(process.argv.slice(2), life));
