import type { LoadedPipeline } from '../config/load.ts'

/** Where the analysers of a pipeline write, one partition for each mention: alerts, and derived streams, which lie beside the sources unless they have a topic. */
export function topicsOfAnalysers({ topic, config }: LoadedPipeline): string[] {
  return Object.values(config.analysers).flatMap(analyser => {
    const stream = 'stream' in analyser ? analyser.stream : undefined
    const alerts = analyser.alert?.topic
    return [...(alerts === undefined ? [] : [alerts]), ...(stream ? [stream.topic ?? topic] : [])]
  })
}
