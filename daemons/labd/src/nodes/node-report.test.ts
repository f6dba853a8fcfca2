import { expect, test } from 'bun:test';
import { nodeCapabilitiesSchema } from '@labmesh/wire/node';
import fc from 'fast-check';
import { keptBeat, keptInfo, plainText } from './node-report.ts';
import { heartbeat, registration } from './testing/node-ground.ts';

/** What moves a cursor, turns a line round, or no database takes. */
const dangerous = /[\p{Cc}\p{Bidi_Control}]/u;
const hostile = fc.string({ unit: 'binary', maxLength: 60 });

test('H15: whatever a node calls itself, what is kept is one plain line', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const kept = plainText(text);
      expect(dangerous.test(kept)).toBe(false);
      expect(kept.isWellFormed()).toBe(true);
      expect(kept.length).toBeLessThanOrEqual(text.length);
    }),
  );
});

test('columns hold no such character either, and read back by the schema that they came by', () => {
  fc.assert(
    fc.property(hostile, hostile, fc.dictionary(fc.string(), fc.jsonValue()), (description, error, metadata) => {
      const { node_info: info } = registration('t', {}, { description, version: description });
      const kept = keptInfo({ ...info, capabilities: { ...metadata, ...info.capabilities } });
      for (const text of Object.values(kept)) expect(dangerous.test(text ?? '')).toBe(false);
      const read = nodeCapabilitiesSchema.parse(JSON.parse(kept.capabilities));
      expect(read.models).toEqual(info.capabilities.models);
      expect(Object.keys(read).length).toBeLessThan(9);
      const { status } = keptBeat(heartbeat('n', { error_message: error }));
      expect(JSON.parse(status)).not.toHaveProperty('node_id');
      expect(dangerous.test((JSON.parse(status) as { error_message: string }).error_message)).toBe(false);
    }),
  );
});
