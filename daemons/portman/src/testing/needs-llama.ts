/** What tests of the real engine share. */
import { test } from 'bun:test';
import { resolve } from 'node:path';
import { isLlamaLibraryInstalled } from '../engine/llama-library.ts';

export const tinyCoder = resolve(import.meta.dir, '../../../../models/tiny-coder/coder.gguf');
/** Starts the engine's child from the source tree. */
export const childCommand = [process.execPath, resolve(import.meta.dir, '../engine-child.ts')];

const installed = isLlamaLibraryInstalled();
if (!installed)
  console.warn('the built-in engine is not tested: install node-llama-cpp (`npm install` with optional dependencies)');

/** `test`, or a skip when node-llama-cpp is not installed. */
export const llamaTest = test.skipIf(!installed);
export const llamaInstalled = installed;
