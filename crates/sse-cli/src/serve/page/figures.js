// The figures of the whole hub: its load and its troubles.

import { BYTES, NUMBERS, Plot } from "./plot.js";
import { Risen } from "./risen.js";
import { $, perSecond, setText, short, size, whole } from "./text.js";

const plots = {
  connections: new Plot($("connections-plot"), "Connections", NUMBERS),
  published: new Plot($("published-plot"), "Published per second", NUMBERS),
  delivered: new Plot($("delivered-plot"), "Delivered per second", NUMBERS),
  memory: new Plot($("memory-plot"), "Memory of the history", BYTES),
};

/** The counters of troubles. */
const TROUBLES = ["lagged", "cut", "gaps", "evicted", "refused"];
const risen = new Risen();

/** Shows the numbers of the hub, with its rates since the last status if they are known. */
export function showFigures(status, rates) {
  setText($("topics-count"), whole.format(status.topics_total));
  setText($("connections"), short(status.subscribers));
  plots.connections.add(status.subscribers);
  setText($("memory"), size(status.memory));
  setText($("memory-of"), `of ${size(status.max_memory)} for history`);
  plots.memory.add(status.memory);
  if (rates) {
    for (const key of ["published", "delivered"]) {
      setText($(key), perSecond(rates[key]));
      plots[key].add(rates[key]);
    }
  }
  const catchingUp = status.topics.reduce((all, topic) => all + topic.catching_up, 0);
  setText($("catching_up"), short(catchingUp));
  for (const key of TROUBLES) {
    setText($(key), short(status.total[key]));
    $(key).classList.toggle("alarm", risen.hasRisen(key, status.total[key]));
  }
}
