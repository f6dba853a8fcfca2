/** The copy helper as a program, for tests that start it as another account. */
import { runCopyHelper } from '../copy/copy-helper.ts';

await runCopyHelper();
process.exitCode = 0;
