%% CETS: what it takes to join two tables that each have a million records, while both are written.
%% Where CETS was built is in CETS_EBIN. Arguments: disjoint (no key is in both) or healed (the same
%% records but for a thousand, of which a function chooses).
-module(peer_cets_join).
-export([start/1, open/1, fill/2, write/0, choose/2, digest/0]).
-define(RECORDS, 1000000).
-define(DIFFERENCES, 1000).
-define(SETTLE_MS, 1000).

start(Shapes) ->
    [run(Shape) || Shape <- Shapes],
    halt().

run(Shape) ->
    [First, {_, OtherName} = Other | _] = Nodes = peer_nodes:start(),
    true = call(First, net_kernel, connect_node, [OtherName]),
    [One, Two] = [call(Node, ?MODULE, open, [Shape]) || Node <- [First, Other]],
    call(First, ?MODULE, fill, [Shape, left]),
    call(Other, ?MODULE, fill, [Shape, right]),
    Writers = [call(Node, ?MODULE, write, []) || Node <- [First, Other]],
    timer:sleep(?SETTLE_MS),
    Before = loopback(),
    {Took, ok} = call(First, timer, tc, [cets_join, join, [lock, #{}, One, Two]]),
    Sent = loopback() - Before,
    timer:sleep(?SETTLE_MS),
    Gaps = [call(Node, gen_server, call, [Writer, stop, infinity])
            || {Node, Writer} <- lists:zip([First, Other], Writers)],
    [Digest, Digest] = [call(Node, ?MODULE, digest, []) || Node <- [First, Other]],
    peer_load:report("cets.join." ++ Shape,
        #{ms => Took / 1000, mb => Sent / 1.0e6, gap_ms => lists:max(Gaps) / 1.0e6}),
    peer_nodes:stop(Nodes).

open(Shape) ->
    Options = case Shape of "healed" -> #{handle_conflict => fun ?MODULE:choose/2}; _ -> #{} end,
    {ok, Server} = cets:start(table, Options),
    Server.

choose(One, Other) -> max(One, Other).

fill(Shape, Side) ->
    First = case {Shape, Side} of {"disjoint", right} -> ?RECORDS; _ -> 0 end,
    [ets:insert(table, record(I, Shape, Side)) || I <- lists:seq(First, First + ?RECORDS - 1)],
    ok.

record(I, "healed", right) when I rem (?RECORDS div ?DIFFERENCES) =:= 0 ->
    {peer_load:key(I), peer_load:value(I + 1)};
record(I, _, _) -> {peer_load:key(I), peer_load:value(I)}.

%% A writer that goes from one write to the next until it is asked for its longest gap.
write() -> spawn(fun() -> write(0, 0) end).

write(I, Longest) ->
    Began = erlang:monotonic_time(nanosecond),
    ok = cets:insert(table, {{writer, node(), I rem ?DIFFERENCES}, peer_load:value(I)}),
    Gap = max(Longest, erlang:monotonic_time(nanosecond) - Began),
    receive
        {'$gen_call', From, stop} -> gen_server:reply(From, Gap)
    after 0 -> write(I + 1, Gap)
    end.

digest() ->
    Sum = fun(Record, Sum) -> (Sum + erlang:phash2(Record)) band 16#ffffffffffff end,
    {ets:info(table, size), ets:foldl(Sum, 0, table)}.

%% What went over the loopback device, in bytes.
loopback() ->
    {ok, Text} = file:read_file("/proc/net/dev"),
    {match, [Bytes]} = re:run(Text, "lo:\\s*(\\d+)", [{capture, [1], list}]),
    list_to_integer(Bytes).

call(Node, Module, Function, Arguments) -> peer_nodes:call(Node, Module, Function, Arguments).
