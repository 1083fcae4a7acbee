import type { Place } from './log.ts'

/** A place as the key of a map: a topic's name has no zero byte in it. */
export function placeKey({ topic, partition }: Place): string {
  return `${topic}\0${partition}`
}
