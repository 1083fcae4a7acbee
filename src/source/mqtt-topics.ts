/*
  MQTT 5 and 3.1.1, 4.7
    filter = level ("/" level)*     level = "+" | text without + and #     the last one may be "#"
    "a/#" is "a" as well; + and # in the first place are no topic that begins with $
*/
const SHARED = /^\$share\/[^/]+\//

/** Whether all topics of the filter `inner`, which may be a topic, are topics of `outer`. */
export function covers(outer: string, inner: string): boolean {
  const [wide, narrow] = [outer.split('/'), inner.split('/')]
  for (let level = 0; ; level++) {
    const [one, other] = [wide[level], narrow[level]]
    const isHidden = level === 0 && inner.startsWith('$')
    if (one === '#') return !isHidden
    if (one === undefined || other === undefined) return one === other
    if (one === '+' ? isHidden || other === '#' : one !== other) return false
  }
}

/** The filters without those that another one covers: a broker sends a message once for each that it lies in. */
export function withoutCovered(filters: readonly string[]): string[] {
  return filters.filter(
    (filter, at) =>
      !filters.some((other, place) => place !== at && covers(other, filter) && (place < at || !covers(filter, other))),
  )
}

/** Tells whether a topic is one of these filters; of all, where one of them is of a kind that only its broker knows. */
export function topicMatcher(filters: readonly string[]): (topic: string) => boolean {
  const plain = filters.map(filter => filter.replace(SHARED, ''))
  return plain.some(filter => filter.startsWith('$')) ? () => true : topic => plain.some(filter => covers(filter, topic))
}
