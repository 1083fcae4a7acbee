import { writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../row.ts'
import { measureRival, type RivalSetup } from './rival-row.ts'

/*
  Built by: go install -tags custom,inputs.socket_listener,outputs.kafka,parsers.value,serializers.template github.com/influxdata/telegraf/cmd/telegraf@latest
*/
const SETUP: RivalSetup = {
  program: 'telegraf',
  folders: [process.env['GOBIN'] ?? join(homedir(), 'go', 'bin')],
  records: { quick: 10_000, full: 100_000 },
  prepare: ({ folder, port, topic, brokers }) => {
    const config = join(folder, 'telegraf.conf')
    writeFileSync(
      config,
      `[agent]
  interval = "1s"
  flush_interval = "100ms"
  metric_batch_size = 1000
  metric_buffer_limit = 1000000
  buffer_strategy = "disk"
  buffer_directory = "${folder}"
  omit_hostname = true
[[inputs.socket_listener]]
  service_address = "tcp://127.0.0.1:${port}"
  data_format = "value"
  data_type = "string"
[[outputs.kafka]]
  brokers = ${JSON.stringify(brokers)}
  topic = "${topic}"
  required_acks = -1
  routing_key = "random"
  data_format = "template"
  template = '{{ .Field "value" }}'
`,
    )
    return ['--config', config]
  },
}

export const telegraf: Row = {
  name: 'telegraf',
  title: 'Telegraf with its disk buffer, the same records over TCP',
  measure: context => measureRival(context, SETUP),
}
