/** A simulated engine as a program of its own, so that it can stand on a host of a network lab; says `{"url"}`. */
import { startEngine } from '../../simulators/engines/start-engine.ts';

export type EngineSettings = { tokens: number; tokenDelayMs: number };

const settings = JSON.parse(Bun.argv[2] ?? '') as EngineSettings;
const engine = await startEngine({ kind: 'vllm', slots: 16, ...settings });
console.log(JSON.stringify({ url: engine.url }));
