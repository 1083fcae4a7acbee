import { appendFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
const h = monitorEventLoopDelay({ resolution: 2 }); h.enable()
const m = new Map<string, number[]>()
export function dbg(k: string, v: number) { const l = m.get(k); if (l) l.push(v); else m.set(k, [v]) }
const who = process.argv.slice(2).join(' ').slice(-60).replaceAll(/[\/ ]/g, "_")
let c = process.cpuUsage()
setInterval(() => {
  const d = process.cpuUsage(c); c = process.cpuUsage()
  let s = `${new Date().toISOString().slice(17, 23)} cpu ${((d.user + d.system) / 1e4).toFixed(0)}% loop p50 ${(h.percentile(50) / 1e6).toFixed(1)} p99 ${(h.percentile(99) / 1e6).toFixed(1)} max ${(h.max / 1e6).toFixed(0)}`
  for (const [k, l] of m) { l.sort((a, b) => a - b); s += ` | ${k} n${l.length} p50 ${l[l.length >> 1]?.toFixed(1)} p90 ${l[Math.floor(l.length * .9)]?.toFixed(1)} max ${l.at(-1)?.toFixed(0)}` }
  m.clear(); h.reset()
  appendFileSync(`/tmp/n/dbg/${who}-${process.pid}`, s + '\n')
}, 1000).unref()
