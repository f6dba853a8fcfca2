import { dirname, resolve } from 'node:path';
import { endpointSpec, type EndpointSpec } from '@labmesh/inference/registry/endpoint';
import type { Logger } from '@labmesh/kit/log';
import { startBuiltinEngine, type BuiltinEngine, type BuiltinEngineState } from '@labmesh/portman/builtin-engine';
import { CommandError } from '../command-error.ts';
import { selfCommand } from '../self-command.ts';
import { demoModelFile } from './demo-model.ts';
import type { UpValues } from './up-options.ts';

export type OwnEngineInput = {
  dataDir: string;
  values: Pick<UpValues, 'model' | 'threads' | 'contextSize'>;
  log: Logger;
  signal: AbortSignal;
  onStep: (text: string) => void;
};

/** A model path out of the settings file is meant from where that file lies. */
export function modelPath(model: string, source: string, filePath: string | undefined): string {
  const fromFile = !source.startsWith('-') && filePath !== undefined;
  return resolve(fromFile ? dirname(filePath) : '.', model);
}

/** What of the engine's life is progress of the start. */
function stepText(state: BuiltinEngineState): string | undefined {
  if (state.kind === 'starting') return 'starting the built-in engine';
  if (state.kind === 'loading') return `loading the model: ${Math.round(state.progress * 100)} %`;
  return undefined;
}

/**
 * Starts the built-in engine with the model asked for, else with the demo model.
 * @throws CommandError with what is missing and how to get it
 */
export async function startOwnEngine(input: OwnEngineInput): Promise<BuiltinEngine> {
  const { values, signal, onStep } = input;
  const log = input.log.child({ part: 'engine' });
  onStep('starting the built-in engine');
  let isReady = false;
  // Until it runs, a failure is told by what is thrown; in the log it would stand there twice.
  const error: Logger['error'] = (msg, fields) => (isReady ? log.error(msg, fields) : log.debug(msg, fields));
  try {
    return await startBuiltinEngine({
      modelPath: values.model ?? (await demoModelFile(input.dataDir)),
      ...(values.threads !== undefined && { threads: values.threads }),
      ...(values.contextSize !== undefined && { contextSize: values.contextSize }),
      command: selfCommand('engine-child'),
      log: { ...log, error },
      signal,
      onProgress: (state) => {
        isReady ||= state.kind === 'ready';
        const text = stepText(state);
        if (text !== undefined) onStep(text);
      },
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CommandError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** The engine as an endpoint like any other. */
export function engineSpec(engine: BuiltinEngine): EndpointSpec {
  const { name, baseUrl, apiKey } = engine.endpoint;
  return endpointSpec({ name, baseUrl, apiKey, kind: 'portman', origin: 'builtin' });
}
