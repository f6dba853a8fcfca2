/**
 * The program that meets values with a schema, inside the sandbox. Schemas come from clients and may cost any time:
 * references that multiply, patterns that backtrack for ever. The sandbox's limits end them; what ends by itself but
 * took longer than a pattern may is told here.
 */
import './local-url.ts';
import { Validator, type OutputUnit, type Schema } from '@cfworker/json-schema';
import type { GuestAnswer, GuestJob } from './guest-messages.ts';

const problemsMost = 10;

class PatternTimeout extends Error {}

const RealRegExp = RegExp;

/** The interpreter writes `new RegExp(pattern, 'u').test(text)`; its own formats are literals and stay real ones. */
function timedPattern(mostMs: number) {
  return class {
    readonly #real: RegExp;
    constructor(source: string) {
      this.#real = new RealRegExp(source, 'u');
    }
    test(text: string): boolean {
      // Twice, because a busy machine takes the processor away from a quick one now and then.
      for (let tries = 0; tries < 2; tries++) {
        const began = Date.now();
        const matches = this.#real.test(text);
        if (Date.now() - began <= mostMs) return matches;
      }
      throw new PatternTimeout();
    }
  };
}

function problem({ instanceLocation, keyword, error }: OutputUnit) {
  return { at: instanceLocation.slice(0, 200), keyword, error: error.slice(0, 200) };
}

const wrappers: readonly string[] = ['$ref', 'properties', 'items', 'prefixItems', 'additionalProperties', 'allOf'];

/** The leaves of the tree of errors: "a subschema had errors" tells nothing. */
function problemsOf(errors: readonly OutputUnit[]) {
  const telling = errors.filter(({ keyword }) => !wrappers.includes(keyword));
  return (telling.length > 0 ? telling : errors).slice(0, problemsMost).map(problem);
}

function answer({ schema, values, patternMs }: GuestJob): GuestAnswer {
  Object.assign(globalThis, { RegExp: timedPattern(patternMs) });
  try {
    const validator = new Validator(schema as Schema, '2020-12', true);
    return {
      results: values.map((value) => {
        const { valid, errors } = validator.validate(value);
        return { valid, problems: problemsOf(errors) };
      }),
    };
  } catch (error) {
    if (error instanceof PatternTimeout) return { timeout: true };
    return { fault: error instanceof Error ? error.message.slice(0, 200) : 'it cannot be used' };
  }
}

/** Called by the line that the host puts behind this program. */
Object.assign(globalThis, {
  meetSchema: (text: string) => console.log(JSON.stringify(answer(JSON.parse(text) as GuestJob))),
});
