/** Messages as trainers read them. */
import type { ChatMessage, ToolCall } from '@labmesh/wire/openai';

const trainableCall = (call: ToolCall) => ({
  ...(typeof call.id === 'string' && { id: call.id }),
  type: 'function',
  function: { name: call.function?.name ?? '', arguments: call.function?.arguments ?? '' },
});

/** Role, content, tool calls. What engines put beside them (thoughts, refusals) was never judged, so nothing learns it. */
export function trainableMessage(message: ChatMessage): ChatMessage {
  const { role, content, name, tool_call_id: callId } = message;
  const calls = message.tool_calls ?? [];
  return {
    role,
    content: content ?? null,
    ...(typeof name === 'string' && { name }),
    ...(calls.length > 0 && { tool_calls: calls.map(trainableCall) }),
    ...(typeof callId === 'string' && { tool_call_id: callId }),
  };
}

/** The text of a message: a string, or parts that are all text. Undefined when there is none or it is more than text. */
export function textOfMessage({ content }: Pick<ChatMessage, 'content'>): string | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((part) => (part.type === 'text' && typeof part['text'] === 'string' ? part['text'] : null));
  return texts.includes(null) ? undefined : texts.join('');
}
