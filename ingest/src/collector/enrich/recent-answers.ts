/**
 * Remembers answers by text in bounded memory: up to `2 × size` of them, those longest unused first to go. Two maps that
 * change places cost a third of a list in order of use.
 */
export function createRecentAnswers<T>(size: number, answer: (text: string) => T): (text: string) => T {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  return (text) => {
    const recent = young.get(text);
    if (recent !== undefined) return recent;
    const value = old.get(text) ?? answer(text);
    if (young.size >= size) {
      old = young;
      young = new Map();
    }
    young.set(text, value);
    return value;
  };
}
