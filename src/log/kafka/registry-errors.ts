import { HeadraceError } from '../../runtime/errors.ts'
import type { Place } from '../log.ts'

export function endUnread({ topic, partition }: Place, error: number | undefined): HeadraceError {
  return new HeadraceError(
    'log_unavailable',
    `the end of ${topic}[${partition}] could not be read: Kafka error ${error ?? 'unknown'}`,
  )
}

export function topicGone(topic: string, partition: number): HeadraceError {
  return new HeadraceError('topic_refused', `topic ${topic} is not there any more, though sources lie in it`, {
    advice: `Restore it. If it is gone for good: kafka-topics --create --topic ${topic} with at least ${partition + 1} partitions, then \`headrace source resume\` for each source, which begins anew there.`,
  })
}
