%% ETS: the memory of a table of a million records, and lookups in it.
%% Arguments: memory or lookups, set or ordered_set, and the options to switch on
%% (read_concurrency, write_concurrency).
-module(peer_ets).
-export([start/1]).
-define(KEYS, 1000000).

start([What, Type | Switches]) ->
    {Total, Rss} = {erlang:memory(total), peer_load:rss()},
    Options = [{list_to_atom(Switch), true} || Switch <- Switches],
    Table = ets:new(table, [list_to_atom(Type), public | Options]),
    fill(Table, 0),
    case What of
        "memory" ->
            erlang:garbage_collect(),
            report(Type, memory_per_record, (erlang:memory(total) - Total) / ?KEYS),
            report(Type, rss_per_record, (peer_load:rss() - Rss) / ?KEYS);
        "lookups" -> lookups(Type, Table)
    end,
    halt().

%% Making the key is part of every lookup, as it is on our side; `bare_loop` shows how fast all
%% the rest of the loop is.
lookups(Type, Table) ->
    report(Type, bare_loop, peer_load:rate(1, fun peer_load:key/1)),
    Look = fun(I) -> [_] = ets:lookup(Table, peer_load:key(I)) end,
    Rates = fun(Where) ->
        [report(Type, io_lib:format("~s.~b", [Where, Readers]), peer_load:rate(Readers, Look))
         || Readers <- [1, 2]]
    end,
    Rates(alone),
    spawn_link(fun() -> overwrite(Table, rand:mwc59_seed(7)) end),
    Rates(beside_writer).

report(Type, Metric, Value) -> peer_load:report("ets." ++ Type, Metric, Value).

fill(_, ?KEYS) -> ok;
fill(Table, I) ->
    ets:insert(Table, {peer_load:key(I), peer_load:value(I)}),
    fill(Table, I + 1).

%% As fast as it can.
overwrite(Table, Random) ->
    I = rand:mwc59_value32(Random) rem ?KEYS,
    ets:insert(Table, {peer_load:key(I), peer_load:value(I)}),
    overwrite(Table, rand:mwc59(Random)).
