import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Row } from '../row.ts'
import { measureRival, type RivalSetup } from './rival-row.ts'

const MODULES = [
  '/usr/lib/x86_64-linux-gnu/rsyslog',
  '/usr/lib/aarch64-linux-gnu/rsyslog',
  '/usr/lib/rsyslog',
  '/usr/lib64/rsyslog',
]

/** A process of its own with a configuration of its own: the system's is not touched. */
const SETUP: RivalSetup = {
  program: 'rsyslogd',
  records: { quick: 100_000, full: 1_000_000 },
  missing: () =>
    MODULES.some(folder => existsSync(join(folder, 'omkafka.so')))
      ? undefined
      : 'rsyslog is here without omkafka (rsyslog-kafka)',
  prepare: ({ folder, port, topic, brokers }) => {
    const spool = join(folder, 'spool')
    mkdirSync(spool)
    const config = join(folder, 'rsyslog.conf')
    writeFileSync(
      config,
      `global(workDirectory="${spool}" maxMessageSize="8k")
module(load="imptcp")
module(load="omkafka")
template(name="plain" type="string" string="%rawmsg%")
input(type="imptcp" address="127.0.0.1" port="${port}" ruleset="out")
ruleset(name="out" queue.type="LinkedList" queue.size="100000") {
  action(type="omkafka" broker=${JSON.stringify(brokers)} topic="${topic}" template="plain" partitions.auto="on" resubmitOnFailure="on"
    confParam=["acks=all", "compression.codec=lz4", "linger.ms=10"] action.resumeRetryCount="-1"
    queue.type="Disk" queue.filename="q" queue.maxDiskSpace="2g" queue.saveOnShutdown="on" queue.dequeueBatchSize="1024")
}
`,
    )
    return ['-n', '-f', config, '-i', join(folder, 'pid')]
  },
}

export const rsyslog: Row = {
  name: 'rsyslog',
  title: 'rsyslog with a disk queue and omkafka, the same records over TCP',
  measure: context => measureRival(context, SETUP),
}
