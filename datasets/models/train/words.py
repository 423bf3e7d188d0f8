"""Vocabulary and sentence patterns of generate.py, all written for this project."""

PEOPLE = [(n, "f") for n in """Mary Anna Ella Rose Lily Nora Ruth Clara Emma Alice Ida Maya Lucy Grace Sara Hana
Olga Vera June Martha Helen Agnes Tess Priya Amina Mei Ingrid Wilma Edith Dora Nina Kate Molly Fern Hazel Ivy Zoe
Leila Rosa Elena Greta Beth Joan Sofia Mina Tara Pearl Flora Eva""".split()] + [(n, "m") for n in """Tom Ben Jack
Sam Peter Henry Oscar Leo Hugo Max Felix Otto Ivan Omar Ali Ravi Ken Luis Carlos Paul Simon Adam Noah Jonah Walter
Arthur Edgar Frank George Martin Nils Emil Anton Theo Finn Miles Silas Amos Jasper Victor Daniel Samuel David Karl
Robin Dan Will Joe Tim Nick""".split()]

THINGS = """kite lantern key book map bell basket whistle blanket hat scarf coat boot ring coin button drum flute
compass letter picture ball cup spoon teapot clock mirror candle box ladder wheel rope bucket hammer needle saddle
broom pot kettle lamp umbrella bag purse necklace knife glove pencil notebook violin boat oar net hook jar bottle
wagon sled puppet doll marble stone shell feather watch locket brush kettle stool chair""".split() + ["wooden horse", "tin soldier", "paper bird", "silver thimble", "brass bell", "red balloon",
                   "glass bead", "leather belt", "wool mitten", "straw hat", "copper pan", "old clock"]

W = lambda s: [x.strip() for x in s.split("|")]

RULES = {
 "place": W("forest|village|valley|harbor|market|meadow|garden|orchard|river bank|mountain|school|library|bakery|"
            "farm|mill|lighthouse|station|castle|island|old bridge|square|town hall|field|beach|lake|workshop|park|church"),
 "in_place": W("in the forest|in the village|by the river|at the market|in the garden|in the orchard|on the beach|"
               "at the station|in the barn|on the hill|near the mill|in the kitchen|under the old oak|on the bridge|"
               "behind the house|at the edge of the field|by the lake|in the square|in the library|on the roof|"
               "in the attic|at the harbor|along the road|in the workshop|beside the well"),
 "room": W("kitchen|attic|cellar|hall|bedroom|workshop|barn|shed|classroom|parlor|pantry|stable"),
 "town": W("Millford|Ashby|Redhill|Stonebridge|Oakham|Lindale|Harrow|Westport|Fairwater|Greenhill|Briar|Northfield|"
           "Elmwood|Saltmarsh|Wren Hollow|Appleton|Long Meadow|Kingsferry|Dunmore|Larkspur"),
 "river": W("the Alder|the Brook|the Silver River|the Long Water|the Tarn|the mill stream|the Willow River"),
 "season": W("spring|summer|autumn|winter"),
 "time": W("morning|afternoon|evening|night"),
 "when": W("one morning|one evening|one cold night|early the next day|after breakfast|before supper|just after sunrise|"
           "late in the afternoon|at noon|at midnight|when the sun went down|on the first day of {season}|"
           "a week later|the next {day}|on {day}|that same night|an hour later|before long|at last|by the end of the week"),
 "day": W("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
 "weather": W("rain|snow|wind|fog|sunshine|frost|thunder|heat|mist|drizzle|hail|cold"),
 "color": W("red|blue|green|yellow|white|black|brown|gray|orange|purple|golden|silver|pink|pale blue|dark green"),
 "adj": W("old|small|large|quiet|strange|bright|heavy|broken|beautiful|plain|narrow|round|soft|dusty|clever|simple|"
          "tiny|tall|rusty|smooth|warm|cold|crooked|shiny|thin|thick|ancient|new|empty|hidden|useful|curious"),
 "feeling": W("happy|sad|tired|proud|afraid|angry|curious|lonely|hungry|brave|calm|worried|glad|surprised|ashamed|"
              "excited|nervous|grateful|sorry|hopeful|puzzled|jealous|sleepy|cheerful|disappointed"),
 "food": W("bread|soup|cheese|apples|porridge|honey cake|potatoes|fish|plums|rice|beans|pancakes|stew|pears|"
           "pie|eggs|carrots|nuts|berries|milk|tea|butter|cabbage|onions|jam|noodles|biscuits"),
 "animal": W("dog|cat|fox|hen|goat|crow|mouse|horse|donkey|rabbit|owl|duck|frog|sparrow|hedgehog|squirrel|goose|pig|"
             "sheep|cow|bear|wolf|otter|beaver|badger|turtle|robin"),
 "relative": W("mother|father|grandmother|grandfather|uncle|aunt|sister|brother|cousin|neighbor|teacher"),
 "job": W("baker|farmer|sailor|miller|carpenter|shoemaker|teacher|doctor|blacksmith|tailor|fisherman|weaver|potter|"
          "shepherd|gardener|postman|painter|clockmaker|cook|judge|merchant|soldier|mason|librarian|ferryman"),
 "tool": W("hammer|saw|spade|rope|ladder|needle|bucket|axe|broom|wheelbarrow|hook|brush|lantern|knife|nail|pulley"),
 "small": W("a coin|a button|a crust of bread|a piece of string|an apple|a feather|a smooth stone|a cup of water|"
            "a kind word|a song|a handful of nuts|a flower|a candle|a warm coat|a map|a promise"),
 "container": W("baskets|boxes|bags|jars|shelves|bowls|carts|drawers|sacks|pockets"),
 "countable": W("apples|eggs|buttons|coins|stones|pencils|books|shells|sheep|nails|cups|plums|stamps|marbles|beans|"
                "loaves|candles|fish|cards|seeds|nuts|ribbons|chairs|bricks"),
 "some_people": W("a friend|two friends|the others|the children|some neighbors|three cousins|the farm hands"),
 "home_where": W("home|to the market|to the kitchen|away|to school|back to the barn|to a friend"),
 "said": W("said|asked|whispered|shouted|answered|called|cried|replied|murmured|explained"),
 "move": W("walked|ran|hurried|climbed|wandered|crept|marched|rode|rushed|went slowly|followed the path|limped"),
 "toward": W("toward the {place}|down the road|up the hill|across the field|through the gate|along the river|"
             "past the mill|over the bridge|into the {place}|to the edge of the town|back to the house|out of the {place}"),
 "look_at": W("looked at|stared at|picked up|turned over|held|touched|pointed to|noticed|examined|thought about"),
 "someone": W("an old woman|a young man|a tired traveler|a boy with a basket|a girl with a {color} scarf|the {job}|"
              "a stranger|a tall man in a {color} coat|the {relative} of {f}|a little child|two sisters|a soldier"),
 "link": W("In fact,|For this reason,|Of course,|Most of the time,|As a rule,|Because of this,|At the same time,|"
           "Even so,|Still,|In other words,|For example,|On the other hand,|In general,|However,"),
 "title": W("The {adj} {thing}|{h} and the {thing}|{h} and {f}|The {job} and the {animal}|A {season} {time}|"
            "The {thing} of {town}|How {h} found the {thing}|The {place}|The {animal} by the {place}|A letter from {town}"),

 # --- lines used everywhere
 "weather_line": W(
  "The {weather} came early that {season}.|It had rained all night, and the road was full of puddles.|"
  "The sun was shining, and there was not a cloud in the sky.|A cold wind blew from the north.|"
  "Snow lay on the roofs and on the branches of the trees.|The fog was so thick that {h} could not see the {place}.|"
  "It was a warm {time}, and the bees were busy among the flowers.|Dark clouds were gathering over the hills.|"
  "The air smelled of wet grass and smoke.|The leaves had turned {color}, and they fell one by one.|"
  "There was frost on the windows when {h} woke up.|The moon rose over {river} and made the water shine.|"
  "Thunder rolled somewhere behind the mountains.|The day was hot, and even the dogs stayed in the shade.|"
  "By {time} the wind had dropped and everything was still.|A light rain began to fall.|"
  "The stars were out, and the snow was blue in their light.|The storm lasted three days and three nights.|"
  "In {season} the {place} is quiet, and few people go there.|The first warm day of the year had come at last.|"
  "The sky was gray from one end to the other.|The rain ran down the windows and dripped from the roof.|"
  "After the storm the air was clean and cool.|The wind shook the door as if it wanted to come in."),
 "sense_line": W(
  "The smell of {food} came from the {room}.|Somewhere a bell was ringing.|The floor creaked under {h_his} feet.|"
  "A candle burned on the table.|The clock on the wall ticked slowly.|From far away came the sound of a flute.|"
  "The {animal} lifted its head and listened.|Dust danced in the light from the window.|"
  "The water was clear and very cold.|{h} could hear {h_his} own heart.|The wood of the door was old and full of small holes.|"
  "There was a(n) {adj} {thing} on the shelf.|The walls were painted {color}, and the curtains were {color} too.|"
  "A {color} bird sat on the fence and sang.|The fire was low, but the room was still warm.|"
  "Nothing moved in the {place} except a(n) {animal}.|The bread was still hot when {h} broke it.|"
  "The grass was tall and full of flowers.|A boat with a {color} sail went slowly by.|"
  "The only light came from a lantern at the end of the street.|The stones of the path were smooth and round.|"
  "The soup tasted of onions and pepper.|The {thing} felt cold and heavy in {h_his} hand."),
 "people_line": W(
  "[someone] sat by the door and waited.|The {job} was sweeping the step in front of the shop.|"
  "Two children were playing with a ball.|{f} was carrying a basket of {food}.|The old {job} nodded but said nothing.|"
  "{h} [move] [toward].|{h} and {f} [move] [toward].|{f} laughed and shook {f_his} head.|"
  "{h} sat down on a stone and ate {h_his} {food}.|[someone] asked the way to {town}.|"
  "The {job} sold {food}, and people came from far away to buy it.|{h} put the {thing} into {h_his} pocket.|"
  "Every {day} {h_his} {relative} went to the market with {food}.|{h} opened the window and looked out.|"
  "Nobody knew where the {job} came from.|{f} had lived in {town} for {n} years.|"
  "{h} [look_at] the {thing} for a long time.|{h}'s {relative} was a(n) {job}, and so was {h_his} {relative}'s father.|"
  "There were {n} people in the room, and all of them were talking.|{h} wrote a few words in a small {color} book.|"
  "The {job} had {n} children and a(n) {adj} {animal}.|{f} lit the lamp and closed the door.|"
  "[someone] came out of the {place} and waved.|{h} helped the {job} to carry the wood.|"
  "They shared the {food} and talked about the old days.|{f} told a story about a(n) {animal} and a(n) {job}."),
 "place_line": W(
  "The {place} stood at the end of a long road.|The {place} was the oldest in {town}.|"
  "Behind the {place} there was a small garden with {n} apple trees.|"
  "{town} is a small town between the hills and the sea.|A narrow path led from the {place} to the river.|"
  "The house had {n} windows and a {color} door.|From the top of the hill one could see all of {town}.|"
  "Near the {place} lived a(n) {job} with {h_his} {animal}.|No one had lived in the house for {m} years.|"
  "On {day} there was a market in the square.|The bridge over {river} was made of stone.|"
  "The {room} was small, but it was clean and bright.|Along the wall stood {n} chairs and a long table.|"
  "The road to {town} goes through the forest and over two bridges.|In the middle of the {place} stood a tall tree."),
 "thought_line": W(
  "{h} thought about {h_his} {relative}.|\"I will try again tomorrow,\" thought {h}.|{h} wondered what was inside.|"
  "It was hard to say why, but {h} felt [feeling].|{h} did not want to be [feeling] any more.|"
  "\"Perhaps {f} is right,\" {h_he} thought.|{h} remembered what {h_his} {relative} had said.|"
  "{h} had never seen anything like it.|{h} knew that {h_he} could not wait much longer.|"
  "It seemed to {h} that the {time} would never end.|{h} was [feeling] and a little [feeling].|"
  "Nobody had told {h} how far it was.|It was better to be late than not to come at all.|"
  "{h} wished that {f} were there.|There was still so much to do.|For the first time in weeks {h} felt [feeling].|"
  "{h_he} counted to ten and took a deep breath.|\"If I do not ask, I shall never know,\" {h_he} thought."),
 "filler": ["[weather_line]", "[sense_line]", "[people_line]", "[thought_line]", "[place_line]"],

 # --- openings
 "open": W(
  "Once upon a time there was a(n) {job} named {h} who lived in {town}.|{h} lived with {h_his} {relative} in a small house near the {place}.|"
  "There was once a(n) {adj} {place} where nobody liked to go.|In the town of {town} lived a child called {h}.|"
  "{h} was {n} years old and very [feeling].|Long ago, when the {place} was still young, {h} came to {town}.|"
  "Everyone in {town} knew {h}.|{h} and {f} had been friends for as long as they could remember.|"
  "It was {season}, and {h} had nothing to do.|One {time} in {season}, {h} [move] [toward].|"
  "{h} worked for the {job} of {town}.|When {h} was a child, {h_he} lived close to {river}.|"
  "Every {time} {h} went to the {place} with {h_his} {animal}.|The people of {town} tell a story about a(n) {job} named {h}.|"
  "My {relative} once told me about {h}, who was a(n) {job} in {town}.|{h} had a(n) {adj} {thing} that {h_he} loved more than anything."),
 "greet": W(
  "\"Good {time},\" [said] {f}. \"Where are you going?\"|\"Who are you?\" asked {f}.|"
  "\"You look [feeling],\" [said] {f}. \"What is the matter?\"|\"Have you seen my {animal}?\" asked {f}.|"
  "\"Come in and sit by the fire,\" [said] {f}.|\"I have been waiting for you,\" [said] {f}.|"
  "\"Please, can you help me?\" [said] {h}.|\"Wait,\" [said] {f}. \"I will go with you.\"|"
  "\"It is a long way,\" [said] {f}, \"but I know a shorter path.\"|\"Do not be [feeling],\" [said] {f}. \"We will find a way.\""),
 "lost": W(
  "One day the {thing} was gone.|When {h} put {h_his} hand into {h_his} pocket, the {thing} was not there.|"
  "{h} looked everywhere, but {h_he} could not find the {thing}.|\"My {thing}!\" cried {h}. \"I have lost my {thing}!\"|"
  "The {thing} had always stood on the shelf in the {room}, but now the shelf was empty.|"
  "On the way home {h} noticed that the {thing} was missing."),
 "search": W(
  "{h} looked under the bed, behind the door and in every drawer.|{h} asked the {job}, but the {job} had not seen it.|"
  "{h} and {f} searched the {place} from one end to the other.|They looked in the {room}, and they looked in the garden.|"
  "First {h_he} went to the {place}, and then {h_he} went to the mill.|{h} asked [someone], who only shook his head.|"
  "They followed the tracks of a(n) {animal} [toward].|They searched until it was dark, and they found nothing but [small].|"
  "{f} lit a lantern, and they went on looking.|\"Think,\" said {f}. \"Where did you have it last?\""),
 "found": W(
  "There, under a heap of leaves, lay the {thing}.|The {animal} had carried the {thing} to its nest.|"
  "The {thing} was hanging on a branch, right above their heads.|At last {f} found the {thing} in the {room}, behind an old box.|"
  "{h_his} {relative} smiled and took the {thing} out of a drawer. \"You left it with me,\" {f_he} said.|"
  "The {job} had found the {thing} on the road and had kept it safe.|In the end the {thing} was in the one place where {h} had not looked.|"
  "Something shone in the grass. It was the {thing}."),
 "problem": W(
  "But there was a problem. The {job} was ill, and nobody else could do the work.|Then the bridge broke, and no one could cross {river}.|"
  "That year there was very little {food}, and the people were hungry.|But the {animal} would not move.|"
  "The roof of the house had a hole, and the rain came in.|The well was dry, and the nearest water was an hour away.|"
  "The door was locked, and the key was lost.|A(n) {animal} had broken the fence and eaten the {food}.|"
  "The road was blocked by a great tree that had fallen in the storm.|The wheel of the cart broke in the middle of the road.|"
  "The lamp went out, and they stood in the dark.|The boat began to fill with water.|{f} was hurt and could not walk.|"
  "The {thing} was too heavy for one person to lift.|They had lost their way, and night was coming."),
 "try": W(
  "{h} pulled as hard as {h_he} could, but nothing happened.|{h} tried once, and {h_he} tried twice, and the third time {h_he} fell.|"
  "They tried to push it, but it was no use.|{h} took a(n) {tool} and began to work.|"
  "\"Let us use the {tool},\" [said] {f}.|{h} thought for a while, and then {h_he} had an idea.|"
  "They tied a rope to the tree and pulled together.|{h} ran to fetch the {job}.|"
  "{f} held the ladder while {h} climbed up.|{h} began again from the beginning, and this time {h_he} worked slowly.|"
  "All day they carried stones, and by {time} their hands were sore.|\"One of us must go for help,\" [said] {h}.|"
  "{h} measured it twice and cut it once, as {h_his} {relative} had taught {h_him}.|They waited until the wind had dropped and then tried again."),
 "solve": W(
  "Little by little it began to move.|In the end it was {f} who found the answer.|By {time} the work was done.|"
  "It took {n} days, but they did it.|It was not perfect, but it was good enough.|"
  "When the others saw this, they came to help, and soon everything was ready.|And so, with a rope and a(n) {tool}, they saved the {animal}.|"
  "The {job} came with {n} strong men, and together they finished before dark.|To everyone's surprise, it worked.|"
  "The water went down, and they crossed to the other side.|At last the door opened."),
 "feel_end": W(
  "{h} was so [feeling] that {h_he} could not sleep.|{h} laughed until {h_he} had to sit down.|"
  "\"Thank you,\" [said] {h}. \"I could not have done it alone.\"|\"It was nothing,\" [said] {f}.|"
  "{h_his} {relative} was proud of {h_him}.|{f} gave {h} [small], and {h} kept it for many years.|"
  "They sat by the fire and ate {food}.|{h} felt tired but glad.|\"Next time,\" [said] {f}, \"ask me first.\"|"
  "That {time} there was music in the square, and everyone danced.|{h} never forgot that day."),
 "moral": W(
  "From that day on, {h} always [looked_after] the {thing}.|And from then on they were good friends.|"
  "And if you go to {town} today, you can still see the {thing}.|{h} had learned that a small help at the right time is worth more than gold.|"
  "So they lived in peace until the end of their days.|{h} had learned that it is wise to ask before it is too late.|"
  "After that, nobody in {town} laughed at {h} again.|Since then, the people of {town} have kept a lamp burning at the {place}.|"
  "It was a small thing, but it changed everything.|And that is how {town} got its name.|"
  "{h} went to bed early and slept until the sun was high.|The next day it all seemed like a dream.|"
  "One who works slowly but never stops will come to the end of the road.|It is better to share a little than to keep much alone."),
 "looked_after": W("took good care of|looked after|was careful with|kept an eye on"),
 "journey": W(
  "{h} packed some {food} and a blanket and set out.|The road led through the forest and over the hills.|"
  "On the first day {h} came to a river.|On the second day {h} met [someone].|"
  "{h} slept under a tree, with {h_his} coat for a blanket.|After {n} days {h} saw the towers of {town}.|"
  "{h} followed the path until it ended at a wall.|At the crossroads {h} did not know which way to go.|"
  "A(n) {job} let {h} ride on the cart as far as {town}.|The mountain was steep, and the path was full of loose stones.|"
  "In the valley there was a small inn, and {h} asked for a bed.|{h} walked from morning to night and rested only once.|"
  "They crossed {river} in a small boat.|The ferryman asked for [small] and nothing more."),
 "arrive": W(
  "When {h} came to the {place}, the gate was open.|At last {h} stood in front of the {place}.|"
  "{h} knocked on the door, and [someone] opened it.|It was dark when they reached {town}.|"
  "{town} was larger than {h} had thought.|\"So you have come,\" said [someone]."),
 "build": W(
  "{h} wanted to build a(n) {adj} {thing}.|\"We need wood, nails and a(n) {tool},\" [said] {f}.|"
  "{h} drew a plan on a piece of paper.|They worked all {time} in the {room}.|First they cut the wood, and then they made it smooth.|"
  "The first {thing} broke as soon as they touched it.|The second {thing} was better, but it was too heavy.|"
  "{f} painted it {color}.|When it was ready, they carried it to the {place}.|People came from all over {town} to see it."),
 "contest": W(
  "Every {season} there was a contest in {town}.|The prize was a(n) {adj} {thing}.|{h} wanted to win more than anything.|"
  "{f} had won the year before.|The {job} was the judge.|There were {n} people in the race.|"
  "At the start {h} was behind all the others.|Halfway there, {f} fell and hurt {f_his} knee.|"
  "{h} stopped and helped {f} to stand up.|They came in last, but everybody cheered.|{h} won by one step.|"
  "\"You were faster,\" [said] {f}, \"but I was not far behind.\"|The judge gave the prize to both of them."),
 "secret": W(
  "At night {h} heard a noise in the {room}.|It sounded like someone knocking on wood.|{h} took a lantern and [move] [toward].|"
  "The noise stopped, and then it began again.|\"Who is there?\" [said] {h}, but nobody answered.|"
  "There were small wet marks on the floor.|{h} held {h_his} breath and opened the door.|"
  "It was only a(n) {animal} that had come in to get warm.|It was {f}, who had come to fetch the {thing}.|"
  "It was the wind, which was moving a loose board.|{h} laughed at {h_his} own fear.|{h} gave the {animal} some {food} and let it sleep by the stove."),
 "mistake": W(
  "{h} broke the {thing}, and {h_he} did not tell anyone.|{h} had promised to help {f}, but {h_he} forgot.|"
  "{h} said something unkind to {f}.|{h} left the gate open, and the {animal} ran away.|{h} took the {thing} without asking."),
 "sorry": W(
  "All day {h} felt [feeling], and {h_he} could not eat {h_his} {food}.|\"I must tell {f},\" thought {h}.|"
  "{h} went to {f}'s house and knocked.|\"It was my fault,\" [said] {h}. \"I am sorry.\"|"
  "{f} was quiet for a moment.|\"I know,\" [said] {f}. \"I saw you. I was waiting for you to tell me.\"|"
  "\"A {thing} can be mended,\" [said] {f}. \"Come, we will do it together.\"|{f} smiled and held out {f_his} hand.|"
  "{h} worked for a week to pay for the {thing}."),
 "fable_open": W(
  "A(n) {animal} and a crow lived in the same tree.|One {season} a fox met a(n) {animal} on the road.|"
  "A hungry wolf came to the {place} and saw a(n) {animal}.|A(n) {animal} found some {food} by the side of the road.|"
  "Two goats met on a narrow bridge.|An old lion could no longer hunt.|A mouse made its house in the wall of the {room}.|"
  "A proud {animal} lived near the {place}.|The animals of the {place} could not agree who should be king."),
 "fable_mid": W(
  "\"I am stronger than you,\" said the {animal}.|\"Give me half of your {food},\" said the fox, \"and I will tell you a secret.\"|"
  "\"What a fine voice you have,\" said the fox. \"Please sing for me.\"|The {animal} did not believe a word.|"
  "\"If you help me today, I will help you tomorrow,\" said the mouse.|The others laughed, for how could one so small be of help?|"
  "\"First let us see who can wait longer,\" said the {animal}.|They went to the owl, who was the wisest of all.|"
  "The owl closed one eye and thought.|The wolf ran around the tree until he was tired.|The crow dropped stones into the jar until the water rose.|"
  "The tortoise walked on and on and never stopped."),
 "fable_end": W(
  "And the fox went away hungry.|So the small one saved the great one.|The {animal} was ashamed and never boasted again.|"
  "Those who quarrel over the nut lose the kernel.|He who wants everything may lose what he has.|"
  "A kind act is never wasted.|Think before you speak.|Do not believe everyone who praises you.|"
  "Slow and steady wins in the end.|Who digs a pit for others may fall into it.|Many small hands make the work light."),

 # --- animals
 "animal_intro": W("A(n) {name} is a(n) {kind}.|The {name} is a(n) {kind}.|{plural} are well known to most people.|"
                   "Have you ever seen a(n) {name}? It is a(n) {kind}.|One {time} {h} saw a(n) {name} near the {place}."),
 "animal_look": W("It has {look}.|You can know it by {look}.|A grown {name} has {look}.|Like others of its kind, it has {look}."),
 "animal_home": W("It lives {home}.|{plural} live {home}.|You can find {plural} {home}.|Most {plural} make their home {home}."),
 "animal_eats": W("It eats {eats}.|{plural} feed on {eats}.|Its food is {eats}.|In {season} it eats mostly {eats}."),
 "animal_fact": W("{fact}.|People have known for a long time that {fact}.|It is said that {fact}."),
 "animal_more": W("{more}.|What is more, {more}.|Not everyone knows that {more}."),

 # --- materials
 "mat_source": W("{mat} {source}.|Where does {mat} come from? {mat} {source}.|As we know, {mat} {source}."),
 "mat_prop": W("{mat} is {prop}.|Because {mat} is {prop}, it is useful in many ways.|Good {mat} is {prop}."),
 "mat_uses": W("People use {mat} for {uses}.|{mat} is used for {uses}.|In {town}, {mat} is used for {uses}."),
 "mat_bad": W("But {mat} {bad}.|One must remember that {mat} {bad}.|On the other hand, {mat} {bad}."),

 # --- crafts
 "craft_intro": W("A(n) {who} is a person who {work}.|{h} is a(n) {who}. {h} {work}.|In {town} there lives a(n) {who} named {h}, who {work}."),
 "craft_day": W("The day begins early, often before the sun is up.|Most of the work is done in the {time}.|In {season} there is more work than in the rest of the year.|"
                "{h} works {n} hours a day and rests on {day}."),
 "craft_tool": W("For this work one needs {with_}.|The most important tools are {with_}.|Without {with_} the work could not be done.|{h} keeps {with_} in a(n) {adj} box."),
 "craft_why": W("The work matters because {why}.|People need a(n) {who} because {why}.|If you ask {h} why, {h_he} will say that {why}."),
 "craft_hard": W("The hard part is that {hard}.|It is not easy, because {hard}.|Every {who} knows that {hard}."),
 "craft_learn": W("It takes about {n} years to learn.|{h} learned it from {h_his} {relative}.|A young {who} begins by watching and carrying things.|"
                  "\"You learn with your hands,\" says {h}, \"and not from a book.\""),

 # --- talk
 "talk_open": W("\"Good {time}, {f},\" said {h}.|\"Hello, {h},\" said {f}. \"I have not seen you since {day}.\"|{h} met {f} [in_place].|"
                "{h} and {f} were sitting [in_place].|\"May I ask you something?\" said {h}."),
 "talk_ask": W("\"What are you doing?\" asked {h}.|\"Is it far to {town}?\" asked {h}.|\"How is your {relative}?\" asked {h}.|"
               "\"Do you think it will be cold tomorrow?\" asked {h}.|\"Why is the {place} closed?\" asked {h}.|\"What did the {job} say?\" asked {h}.|"
               "\"Who made this {thing}?\" asked {h}.|\"When will you come back?\" asked {h}.|\"How much is the {food}?\" asked {h}.|"
               "\"Where did you find the {thing}?\" asked {h}.|\"Can I help you with the {food}?\" asked {h}.|\"What do you want to be when you are older?\" asked {h}.|"
               "\"Have you ever been to {town}?\" asked {h}.|\"Why are you so [feeling]?\" asked {h}.|\"Which one do you like best?\" asked {h}."),
 "talk_answer": W("\"I do not know,\" said {f}. \"Ask the {job}.\"|\"It is about {n} miles from here,\" said {f}.|\"Very well, thank you,\" said {f}.|"
                  "\"I think so,\" said {f}, \"but we must wait and see.\"|\"My {relative} gave it to me on {day},\" said {f}.|\"I found it [in_place],\" said {f}.|"
                  "\"Because nobody has opened it since {season},\" said {f}.|\"I want to be a(n) {job},\" said {f}, \"like my {relative}.\"|"
                  "\"Only once,\" said {f}, \"when I was {n} years old.\"|\"The {color} one,\" said {f} at once.|\"It costs {n} coins,\" said {f}.|"
                  "\"That is a long story,\" said {f}, and smiled.|\"I am making a(n) {adj} {thing} for {h_his} {relative},\" said {f}.|"
                  "\"Yes, please,\" said {f}. \"Take the other end.\"|\"I am [feeling], that is all,\" said {f}.|\"Tomorrow, or the day after,\" said {f}."),
 "talk_close": W("\"Then I must go,\" said {h}. \"Good night.\"|They said goodbye and went home.|\"Thank you,\" said {h}, and [move] [toward].|"
                 "{f} waved until {h} was out of sight.|\"Come again soon,\" said {f}.|And with that they went back to work."),

 # --- letters
 "letter_open": W("Dear {f},|My dear {f},|Dear {relative},|Dear friend,"),
 "letter_line": W("Thank you for your letter, which came on {day}.|I am sorry that I did not write sooner.|The {weather} has been very bad here.|"
                  "We have a new {animal}, and it sleeps in the {room}.|My {relative} sends you kind regards.|The {food} you sent us was very good.|"
                  "I have begun to work for the {job}, and I like it.|Last week we went to the {place}, and it was beautiful.|"
                  "Do you remember the {adj} {thing} that we found?|I am reading a book about {animal}s.|On {day} there was a great storm, and the bridge was washed away.|"
                  "If you come in {season}, we can go to the {place} together.|It takes {n} hours by train from {town}.|Please bring a warm coat, because the nights are cold.|"
                  "I was ill for {n} days, but I am well again.|Everyone asks about you.|The garden is full of {food} this year.|I hope that you are not [feeling] any more."),
 "letter_close": W("Your friend,\n{h}|With love,\n{h}|Yours,\n{h}|Write soon!\n\n{h}"),
}

# A plot is a list of paragraphs, a paragraph a list of items.
STORIES = [
 [["[open]", "?[filler]", "?[filler]"], ["[lost]", "?[thought_line]", "[search]", "?[search]"],
  ["?[when], {h} met {f}.", "[greet]", "\"I am looking for my {thing},\" said {h}.", "?[search]"], ["[found]", "[feel_end]", "?[moral]"]],
 [["[open]", "?[weather_line]", "?[place_line]"], ["[problem]", "?[people_line]", "[try]", "?[try]"],
  ["?[greet]", "[try]", "[solve]"], ["[feel_end]", "?[feel_end]", "?[moral]"]],
 [["[open]", "?{h}'s {relative} was ill and lived far away, in {town}.", "?\"Take this {thing},\" said {h_his} {relative}, \"and do not lose it.\""],
  ["[journey]", "[journey]", "?[weather_line]", "?[sense_line]"], ["[problem]", "[try]", "[solve]"], ["[journey]", "[arrive]", "?[sense_line]", "[feel_end]", "?[moral]"]],
 [["[open]", "?[filler]"], ["[build]", "[build]", "?[try]", "[build]"], ["?[problem]", "?[solve]", "[feel_end]", "?[moral]"]],
 [["[contest]", "[contest]", "?[people_line]"], ["[contest]", "?[thought_line]", "[contest]"], ["[feel_end]", "?[moral]"]],
 [["[open]", "[weather_line]"], ["[secret]", "[secret]", "?[sense_line]", "[secret]"], ["[secret]", "?[feel_end]", "?[moral]"]],
 [["[open]", "?[filler]"], ["[mistake]", "[sorry]", "?[thought_line]"], ["[sorry]", "[sorry]", "[sorry]"], ["?[feel_end]", "?[moral]"]],
 [["[fable_open]", "?[weather_line]", "[fable_mid]"], ["[fable_mid]", "?[fable_mid]", "[fable_end]"]],
 [["[fable_open]", "[fable_mid]", "[fable_mid]", "[fable_mid]", "[fable_end]"]],
 [["[open]", "[filler]", "[filler]"], ["[filler]", "[filler]", "?[filler]", "[greet]"], ["[filler]", "?[filler]", "[feel_end]"]],
 [["[when], {h} [move] [toward].", "[sense_line]", "?[weather_line]"], ["There {h_he} met [someone].", "[greet]", "[talk_ask]", "[talk_answer]"],
  ["?[problem]", "?[try]", "?[solve]", "[feel_end]", "?[moral]"]],
 [["[place_line]", "[place_line]", "?[weather_line]"], ["[open]", "[people_line]", "?[thought_line]"], ["[problem]", "[try]", "?[try]", "[solve]"], ["?[moral]"]],
]

# name, plural, kind, lives, eats, look, fact, more
ANIMALS = [tuple(x.strip() for x in line.split("|")) for line in """
cat|cats|small animal that lives with people|in houses and on farms|mice, birds and what people give them|soft fur, sharp claws and a long tail|a cat can see well when there is very little light|it sleeps for more than half of the day
dog|dogs|loyal animal related to the wolf|with people almost everywhere|meat, bones and many other things|strong legs, a good nose and ears that move|a dog can follow a smell for many miles|dogs have worked with hunters and shepherds for thousands of years
horse|horses|large animal with hoofs|on farms and in open grassland|grass, hay and oats|a long neck, a mane and four strong legs|a horse can sleep standing up|before there were engines, horses pulled plows and carts
cow|cows|large farm animal kept for milk|in meadows and barns|grass and hay|a heavy body, two horns and large dark eyes|a cow chews its food twice|its stomach has four parts
sheep|sheep|farm animal kept for its wool|in flocks on hills and fields|grass and herbs|a thick coat of wool|the wool is cut once a year, in spring or early summer|a lamb knows its mother by her voice
owl|owls|bird that hunts at night|in forests, barns and old towers|mice and other small animals|large round eyes and soft feathers|an owl can turn its head almost all the way around|its soft feathers make hardly any sound in flight
crow|crows|clever black bird|in fields, forests and towns|seeds, insects and scraps|black feathers and a strong beak|crows can remember the faces of people|some crows drop nuts on the road so that they break
bee|bees|insect that makes honey|in hives with thousands of others|the nectar and pollen of flowers|two pairs of wings and a striped body|bees show each other the way to flowers with a kind of dance|without bees many fruit trees would bear no fruit
ant|ants|small insect that lives in large groups|in nests under the ground|seeds, insects and anything sweet|a thin waist and strong jaws|an ant can carry many times its own weight|ants leave a trail of scent so that others can follow
spider|spiders|small animal with eight legs|in gardens, houses and caves|flies and other insects|eight legs and, most often, eight eyes|a spider spins its web from a fine strong thread|a spider is not an insect
frog|frogs|small animal that lives on land and in water|in ponds, ditches and wet meadows|flies, worms and snails|smooth wet skin and long back legs|a young frog is called a tadpole and breathes like a fish|in winter it sleeps in the mud
fox|foxes|wild animal related to the dog|in forests and sometimes in towns|mice, rabbits, berries and eggs|a red coat and a thick tail with a white tip|a fox can hear a mouse under the snow|the young are born in a den under the ground
wolf|wolves|large wild animal that hunts in packs|in forests and mountains far from people|deer and other animals|gray fur, long legs and strong jaws|wolves howl to find each other|the whole pack takes care of the young
bear|bears|large heavy animal with thick fur|in forests and mountains|berries, roots, fish and honey|a broad head, short tail and strong paws|many bears sleep through the winter|a bear can run faster than a man
rabbit|rabbits|small animal with long ears|in holes in the ground called burrows|grass, leaves and roots|long ears and a short white tail|a rabbit beats the ground with its foot when there is danger|its teeth never stop growing
mouse|mice|very small animal with a long tail|in fields, barns and houses|grain, seeds and crumbs|round ears, black eyes and a thin tail|a mouse can pass through a hole no wider than a finger|an owl may eat several mice in one night
whale|whales|very large animal that lives in the sea|in all the oceans|small sea animals and fish|a huge smooth body and a broad tail|a whale must come to the surface to breathe|the blue whale is the largest animal that has ever lived
dolphin|dolphins|clever animal that lives in the sea|in warm seas and large rivers|fish and squid|a long mouth and smooth gray skin|dolphins find their way by listening to echoes|they often swim beside ships
eagle|eagles|large bird of prey|on cliffs and in tall trees|fish, rabbits and other birds|broad wings and a hooked beak|an eagle can see a rabbit from more than a mile away|it uses the same nest for many years
duck|ducks|bird that swims|on lakes, ponds and rivers|water plants, snails and worms|broad beaks and webbed feet|water runs off its feathers because they are oily|the young can swim on their first day
penguin|penguins|bird that swims but can not fly|on the cold coasts of the south|fish and small sea animals|black backs and white bellies|the father may keep the egg warm on his feet|they stand close together to stay warm
elephant|elephants|largest animal on land|in the grasslands and forests of warm countries|leaves, bark, grass and fruit|large ears, thick gray skin and a long trunk|an elephant drinks by filling its trunk with water|elephants live in families led by an old female
camel|camels|large animal of the desert|in dry lands where there is little water|thorns, leaves and dry grass|long legs and one or two humps|a camel can go for many days without water|the hump is made of fat and not of water
snake|snakes|long animal without legs|in forests, deserts and fields|mice, frogs and eggs|dry scales and a forked tongue|a snake smells with its tongue|as it grows it sheds its skin
turtle|turtles|slow animal with a shell|in ponds, rivers and seas|plants, worms and fish|a hard shell and short legs|some turtles live for more than a hundred years|sea turtles lay their eggs in the sand
salmon|salmon|large fish|in the sea and in cold rivers|insects and smaller fish|silver scales and pink flesh|a salmon swims up the river where it was born to lay its eggs|it can jump over small waterfalls
bat|bats|small flying animal|in caves, barns and hollow trees|moths, flies and fruit|thin wings of skin and large ears|a bat hangs upside down when it sleeps|it finds its way in the dark by its own echo
hedgehog|hedgehogs|small animal covered with spines|in gardens and under hedges|worms, snails and beetles|thousands of short spines and a pointed nose|it rolls itself into a ball when it is afraid|it sleeps through the winter under dry leaves
squirrel|squirrels|small animal that lives in trees|in forests and parks|nuts, seeds and buds|a long bushy tail|a squirrel hides nuts in autumn and forgets some of them|so new trees grow where squirrels have lived
butterfly|butterflies|insect with large colored wings|in gardens and meadows|the nectar of flowers|four thin wings covered with tiny scales|a butterfly begins its life as a caterpillar|it tastes with its feet
goose|geese|large bird with a long neck|near lakes and on farms|grass, grain and water plants|a long neck and a loud voice|wild geese fly in the shape of a wedge|they fly south before the winter comes
beaver|beavers|animal that builds dams|in rivers and streams of the north|bark, twigs and water plants|a flat tail and strong orange teeth|a beaver can cut down a tree with its teeth|its dam turns a stream into a pond
hen|hens|bird kept for its eggs|on farms and in gardens|grain, worms and green leaves|short wings and a red comb|a hen lays almost one egg a day in summer|a young hen is called a chick
goat|goats|farm animal that climbs well|on farms and steep mountains|leaves, bark and almost anything green|two horns and a small beard|a goat can stand on a very narrow ledge|its milk is made into cheese
swallow|swallows|small bird that flies very fast|under roofs and in barns|flies caught in the air|long wings and a forked tail|swallows fly to warm countries in autumn|they build their nests of mud
worm|worms|soft animal without legs|in the soil|dead leaves and earth|a long body made of many rings|worms make the soil loose and rich|after rain they come to the surface
shark|sharks|large fish with many teeth|in the sea|fish, seals and squid|rows of sharp teeth and a tall fin|a shark never runs out of teeth, because new ones grow|most sharks do no harm to people
deer|deer|shy forest animal|in forests and on the edge of fields|grass, leaves and young bark|slender legs and, on the males, antlers|the antlers fall off in winter and grow again|a young deer is called a fawn
donkey|donkeys|patient animal with long ears|on farms and in dry hills|straw, thistles and grass|long ears and a gray coat|a donkey can carry a heavy load on a steep path|it will not move if it thinks the way is not safe
""".strip().split("\n")]

# material, source, properties, uses, but
MATERIALS = [tuple(x.strip() for x in line.split("|")) for line in """
wood|comes from the trunks of trees|strong, light and easy to cut|houses, furniture, boats and fires|burns easily and may rot when it is wet
iron|is won from red or brown stones called ore|hard and heavy, and it can be shaped when it is hot|tools, nails, bridges and machines|rusts in wet air
glass|is made by melting sand in a very hot fire|hard and clear, and it lets the light through|windows, bottles, lenses and lamps|breaks easily
paper|is made from wood that has been turned into a wet pulp|thin, light and cheap|books, letters, bags and boxes|tears easily and burns well
wool|is cut from sheep in spring|soft and warm, even when it is wet|coats, blankets, socks and carpets|may shrink in hot water
clay|is found in the ground near rivers and lakes|soft when wet and hard when it has been fired|bricks, pots, cups and tiles|cracks if it dries too fast
salt|comes from the sea or from mines under the ground|white, and it dissolves in water|cooking and keeping fish and meat|does harm to plants and to iron
gold|is found in rivers and in rocks|heavy, soft and bright, and it never rusts|rings, coins and fine wires|is rare, and so it costs very much
copper|is a metal won from ore|reddish and soft, and it carries heat and electricity well|wires, pipes and pots|turns green in wet air
leather|is made from the skins of animals|strong, and it bends without breaking|shoes, belts, saddles and bags|becomes hard if it gets wet and dries by the fire
cotton|grows on bushes in warm countries|soft, light and cool|shirts, sheets and thread|needs a great deal of water to grow
stone|is cut from the side of a hill|hard and heavy, and it lasts for hundreds of years|walls, roads, bridges and mills|is difficult to carry and to shape
coal|was formed from plants that died millions of years ago|black, and it gives much heat|fires, furnaces and engines|makes smoke that is bad to breathe
rubber|comes from the white juice of a tree|soft, and it springs back when it is stretched|tires, boots and balls|becomes hard and cracks when it is old
silk|is spun by a caterpillar that eats the leaves of one tree|thin, smooth and very strong|fine clothes and thread|is costly, because so many threads are needed
wax|is made by bees, which build their cells of it|soft when warm and firm when cold|candles, polish and seals|melts in the sun
ice|is water that has become solid in the cold|cold, clear and slippery|keeping fish and milk fresh|melts as soon as it is warm
sand|is made of small grains of broken rock|dry, loose and rough|glass, mortar and paths|does not hold water
flour|is made by grinding grain between two stones|fine, dry and white or brown|bread, cakes and noodles|spoils when it gets damp
oil|is pressed from seeds and fruit|smooth, and it floats on water|cooking, lamps and machines|burns with a hot flame and is hard to wash off
steel|is made from iron with a little carbon|harder and stronger than iron|knives, rails, springs and ships|must be kept dry or painted
rope|is made by twisting many threads together|strong when it is pulled|ships, wells, swings and nets|wears thin where it rubs on stone
soap|is made from fat and ashes|smooth, and it loosens dirt|washing hands, clothes and floors|stings when it gets into the eyes
tin|is a soft white metal|light, and it does not rust|cans, cups and toys|bends easily
milk|comes from cows, goats and sheep|white, rich and good to drink|butter, cheese and cream|turns sour if it is not kept cold
honey|is made by bees from the nectar of flowers|thick, golden and sweet|bread, cakes and tea|becomes hard in the cold
""".strip().split("\n")]

# who, does, with, why, hard
CRAFTS = [tuple(x.strip() for x in line.split("|")) for line in """
baker|bakes bread and cakes|an oven, flour and strong arms|everyone eats bread in the morning|the dough does not wait, and the oven must be hot at the right time
carpenter|makes things of wood|a saw, a plane and a hammer|every house needs doors, floors and a roof|a piece that has been cut too short can not be made longer
blacksmith|makes tools of iron|a fire, a hammer and an anvil|farmers need plows and horses need shoes|the iron must be struck while it is hot
tailor|sews clothes|a needle, thread and a pair of scissors|people want clothes that fit them|no two people have quite the same shape
farmer|grows grain and keeps animals|a plow, seed and patience|without farmers there would be no food in the shops|one can not choose the weather
doctor|helps people who are ill|clean hands, good eyes and a few medicines|pain is hard to bear alone|not every illness shows itself at once
teacher|helps children to learn|books, chalk and a calm voice|what is not taught is forgotten|each child learns in a different way
sailor|works on a ship|ropes, maps and a compass|many goods come across the sea|the sea can change from calm to rough in an hour
potter|makes pots and cups of clay|a wheel, water and a hot kiln|people need something to cook in and to drink from|one bubble of air can break the whole pot
weaver|makes cloth from thread|a loom and many colors of thread|cloth keeps us warm|one broken thread can spoil the pattern
miller|grinds grain into flour|two round stones and the power of wind or water|the baker can do nothing without flour|there is no work on days without wind
gardener|takes care of plants|a spade, a rake and a watering can|a garden feeds both the eyes and the body|weeds grow faster than flowers
shepherd|looks after sheep|a dog, a stick and a warm coat|the flock can not protect itself|one has to be outside in every weather
mason|builds walls of stone|a hammer, a line and good mortar|a stone house stands for hundreds of years|a wall that is not straight at the bottom will not be straight at the top
clockmaker|makes and mends clocks|small screwdrivers, a lens and a steady hand|people want to know what time it is|the smallest grain of dust can stop a clock
librarian|keeps books and lends them|shelves, lists and a good memory|a book that can not be found might as well not exist|people do not always remember the title
fisherman|catches fish|a boat, a net and a lamp|fresh fish is good food|on some days the net comes up empty
postman|brings letters and parcels|a bag, a bicycle and good shoes|people wait for news from far away|the street is long and the bag is heavy
shoemaker|makes and mends shoes|leather, thread and a small hammer|nobody can walk far in bad shoes|the shoe must be firm but must not hurt
painter|paints houses and signs|brushes, a ladder and clean colors|paint protects the wood from rain|the first coat always looks bad
beekeeper|keeps bees for their honey|hives, smoke and a thin veil|bees give honey and help the fruit trees|one must move slowly and not be afraid
bricklayer|builds walls of brick|a trowel, a level and a bucket of mortar|brick houses are dry and warm|every row must be level before the next one is begun
nurse|cares for the sick|clean cloths, medicine and kindness|good care is half of the cure|the night is long when someone is in pain
engineer|plans bridges and machines|paper, numbers and careful tests|a bridge has to carry every cart that crosses it|a small error in the plan can be a large one in the bridge
""".strip().split("\n")]

# Explanations: some sentences of one topic are taken in order; a list in place of a string is a choice.
TOPICS = [(t.split("\n")[0].strip(), [s.split(" || ") if " || " in s else s for s in
          [x.strip() for x in t.split("\n")[1:]] if s]) for t in """why it rains
The sun warms the water of the seas, the lakes and the rivers. || The heat of the sun falls on the sea.
Some of the water rises into the air as a gas that we cannot see. || Part of the water turns into vapor and rises.
High above the ground the air is cold. || The higher one climbs, the colder the air becomes.
There the vapor turns into tiny drops, and many drops together make a cloud.
The drops join and grow until they are too heavy to stay in the air.
Then they fall as rain, or as snow if the air is cold enough.
The rain runs into streams and rivers, and the rivers carry it back to the sea.
So the same water goes around again and again.
@day and night
The earth turns around itself once every day. || The earth spins like a top, though we do not feel it.
The side that faces the sun has day, and the other side has night.
When we see the sun rise, it is really the earth that turns toward it.
At noon the sun stands highest and the shadows are short. || In the middle of the day, shadows are short.
In the evening the shadows grow long, and the light becomes red.
When it is morning in one country, it may be evening in another.
@the seasons
A year has four seasons, which are spring, summer, autumn and winter.
The earth leans a little to one side as it travels around the sun.
When our side leans toward the sun, the days are long and warm, and we have summer.
When it leans away, the days are short and cold, and we have winter. || In winter the sun stays low and sets early.
In spring the snow melts, the buds open and the birds build their nests.
In autumn the grain is brought in, and the leaves fall from the trees.
Near the middle of the earth there is hardly any winter at all.
@the moon
The moon travels around the earth in about four weeks.
It has no light of its own, but it shines because the sun shines on it.
Sometimes we see all of the bright side, and then we say that the moon is full.
Sometimes we see only a thin curved line of light. || At other times only a narrow slice of it can be seen.
There is no air on the moon, and nothing grows there.
The moon pulls at the sea, and so the water rises and falls twice a day.
@how plants grow
A plant begins as a seed. || Almost every plant comes from a seed.
In the seed there is a small store of food.
When the seed is warm and wet, it swells and its skin breaks.
First a root grows down into the soil, and then a stem grows up toward the light.
The leaves use the light of the sun to make food from water and air.
The roots hold the plant in the ground and drink water from the soil.
Later there are flowers, and from the flowers come new seeds.
The wind, the birds and the insects carry the seeds to other places.
@bread
Bread is made from flour, water, salt and yeast.
The flour comes from grain, which has been ground between two stones.
The yeast is alive, and it makes small bubbles of gas in the dough.
Because of the bubbles the dough grows and becomes light. || The bubbles make the dough rise until it is twice as large.
The dough is pressed and folded, and then it has to rest in a warm place.
In the oven the outside becomes brown and hard, while the inside stays soft.
Fresh bread smells good, but it is easier to cut when it is a day old.
People have baked bread for thousands of years.
@fire
A fire needs three things, which are fuel, air and heat.
If one of them is taken away, the fire goes out.
Water cools the fuel, and sand or a blanket keeps the air away.
Dry wood burns better than wet wood. || Thin dry sticks catch fire first, and thick logs burn longer.
Fire gives light and heat, and it has helped people to cook and to melt metal.
But it can also destroy a house in less than an hour.
Never leave a fire alone, and keep a bucket of water near it.
@bridges
A bridge carries a road over a river, a valley or another road.
The simplest bridge is a log that lies across a stream.
A stone arch is strong because each stone presses against the next. || In an arch every stone leans on its neighbor, and so none can fall.
A hanging bridge is held by long cables that run over two high towers.
Before a bridge is built, one must know how much it has to carry.
Bridges must be looked after, since wind and water wear them down.
@boats
A boat floats because it pushes water aside. || Even a boat of iron can float, if it is hollow.
The water that has been pushed aside pushes back and holds the boat up.
If the boat is filled with water, it becomes too heavy and sinks.
Oars, sails or engines make the boat move.
The rudder at the back turns the boat to the left or to the right.
With a map and a compass a sailor can find the way even when no land is in sight.
@wind
Wind is air that moves.
When the sun warms the ground, the air above it grows warm and rises.
Cooler air flows in to take its place, and we feel this as wind. || Then cold air moves in from the side, and that is the wind.
Near the sea the wind blows from the water by day and from the land by night.
A gentle wind moves the leaves, but a storm can break trees.
People use the wind to drive mills and to sail ships.
@the heart
The heart is a muscle about as large as a fist.
It pumps the blood through the body without ever resting.
The blood carries food and air to every part of the body.
When we run, the heart beats faster, because the legs need more air. || If you climb stairs, you can feel your heart beat faster.
In one minute it beats about seventy times, and in one day about a hundred thousand times.
You can feel the beat at your wrist or at the side of your neck.
@sleep
Every person and every animal needs sleep.
While we sleep, the body rests and repairs itself.
The brain does not stop working, but sorts what it has learned during the day.
Children need more sleep than grown people. || A small child may sleep for twelve hours or more.
Without sleep we become slow, forgetful and cross.
It is easier to fall asleep in a dark and quiet room.
@soil
Soil is made of tiny pieces of rock, dead leaves, water, air and living things.
It takes hundreds of years to make a layer as thick as a hand.
Worms and insects dig through it and make it loose.
Sandy soil dries quickly, while clay holds the water for a long time.
Good soil is dark and crumbles in the hand. || You can tell good soil by its dark color.
A farmer puts back what the plants have taken out of it.
@time and clocks
Before there were clocks, people looked at the sun.
A stick in the ground shows the time by its shadow, but only when the sun shines.
Later there were clocks that used dripping water, burning candles or running sand.
A swinging weight takes the same time for every swing, and so it can drive a clock. || A pendulum swings evenly, and this makes it useful for clocks.
An hour has sixty minutes, and a minute has sixty seconds.
Today the best clocks lose less than a second in a million years.
@writing
Writing lets us speak to people who are far away or not yet born.
The first signs were small pictures pressed into clay.
Later people used letters, and each letter stood for a sound. || An alphabet needs only a few signs, and so it is easy to learn.
For a long time every book had to be copied by hand.
Then the printing press was built, and books became cheap.
Now a letter can travel around the world in the time it takes to blink.
@heat
Heat always flows from a warm thing to a cooler one.
Metal feels cold because it takes the heat out of the hand quickly.
Wood and wool let little heat through, and so they keep us warm. || A coat does not make heat, but it keeps the heat in.
Most things grow a little when they are heated.
Water boils when it is very hot and freezes when it is very cold.
On a high mountain water boils sooner, because the air is thin.
@sound
Sound is a shaking of the air.
When a string or a bell shakes, it pushes the air around it. || A drum shakes when it is struck, and the air shakes with it.
The shaking travels through the air until it reaches our ears.
A fast shaking gives a high note, and a slow shaking gives a low one.
Sound needs time to travel, so we see the lightning before we hear the thunder.
Where there is no air there is no sound.
@light
Light comes from the sun, from lamps and from fire.
It travels in straight lines and is faster than anything else.
When it meets a mirror, it is thrown back. || A smooth surface throws the light back, and so we see ourselves in it.
When it passes from air into water, it bends, and a straight stick seems broken.
White light is made of many colors, as we can see in a rainbow.
A thing looks red because it throws back the red light and keeps the rest.
@money
Long ago people traded one thing for another, such as a goat for a sack of grain.
This was difficult when the other person did not want a goat.
So they began to use things that everyone wanted, like salt, shells or silver.
Coins were easier to count and to carry. || A coin always had the same weight, and so one did not need a scale.
Paper money is only a promise, but it works as long as people believe in it.
Who saves a little every week will have something when bad times come.
@maps
A map is a picture of the land as a bird would see it.
One inch on the map may stand for a mile on the ground.
Blue lines are rivers, black lines are roads, and green is used for forests. || Colors and small signs show what is forest, water or road.
North is most often at the top.
To use a map, first find out where you are, and then turn it until it fits what you see.
A good map leaves out everything that is not needed.
@machines
A machine helps us to do work with less effort.
A lever lets one person lift a stone that ten could not lift by hand.
A wheel makes it easy to move a heavy load.
With a pulley one can pull down in order to lift something up. || A screw, a ramp and a wedge are simple machines too.
No machine gives something for nothing, for what we gain in force we lose in distance.
Every machine needs oil and care.
@computers
A computer is a machine that follows instructions.
The instructions are called a program, and they must be exact. || A program is a list of very small steps.
A computer does not know what the numbers mean, but it is very fast.
The memory holds the numbers that are needed now, and the disk keeps them when the power is off.
If the program has a mistake, the computer will make the same mistake every time.
One measures a program by running it many times and writing down how long it took.
A small program that is clear is better than a large one that nobody understands.
@measuring
To measure is to compare a thing with something that is known.
Length is measured with a ruler, weight with a scale and time with a clock.
Every measure has a small error. || No measure is ever quite exact.
So it is wise to measure several times and to look at how much the results differ.
A number without its unit says very little.
A result that nobody can repeat is not worth much.
@villages and towns
Most towns began where a road crossed a river or near a good harbor.
In a village everyone knows everyone else.
In a town there are more shops, more work and more noise. || A town offers more, but it also costs more to live there.
Water must be brought in, and waste must be taken out.
The oldest streets are narrow and crooked, because nobody planned them.
@weather signs
Sailors and farmers have always tried to guess the weather.
A red sky in the evening often means that the next day will be fine.
When swallows fly low, rain may be near. || Smoke that sinks to the ground is a sign of rain.
High thin clouds tell of a change that will come in a day or two.
Today we use balloons, ships and many instruments, but nobody can be sure about next week.
@trees
A tree has roots, a trunk and branches.
Each year it adds a ring of new wood under the bark, so one can count its age.
Some trees lose their leaves in autumn, and others stay green all winter. || Pines and firs keep their needles through the winter.
Roots hold the soil and keep it from being washed away.
Birds, insects and squirrels live in the branches.
From a single oak come thousands of acorns, but only a few become trees.
@rivers
A river begins as a spring or a small stream in the hills.
On its way to the sea other streams join it.
In the mountains it runs fast and cuts deep into the rock.
In the plain it is slow and bends from side to side. || Where the land is flat the river is wide and quiet.
It carries sand and mud and lays them down at its mouth.
Many towns stand on rivers, because water turns mills and carries boats.
When the snow melts, a river may leave its bed and flood the fields.
@mountains
Mountains rise where great plates of rock push against each other.
It takes millions of years, but wind and ice wear them down again.
The higher you go, the colder it becomes, and at last no trees can grow. || Above a certain height there is only rock, snow and ice.
Water from the snow feeds the rivers in the valleys.
Whoever climbs a mountain should start early and watch the sky.
@the sea
Most of the earth is covered by the sea.
Its water is salty, because rivers have carried salt into it for a very long time.
Near the surface there is light, and small green plants grow there. || The upper part is bright and full of life.
In the deep it is dark, cold and quiet.
Fish, whales and many strange animals live in it.
Ships carry goods across it from one land to another.
@good health
Wash your hands before you eat. || Clean hands stop many illnesses before they begin.
Eat some fruit and vegetables every day.
Drink water when you are thirsty, and more when it is hot.
Walk, run or swim so that your heart and your legs stay strong.
Go to bed at the same time each night.
When you are ill, rest and let others help you.
""".split("@")]

HOWTO = [(t.split("\n")[0].strip(), [s.split(" || ") if " || " in s else s for s in
         [x.strip() for x in t.split("\n")[1:]] if s]) for t in """make soup
Wash the vegetables and cut them into small pieces. || Peel the onions and the carrots and cut them up.
Heat a little butter in a large pot.
Cook the onions slowly until they are soft and yellow.
Add the other vegetables and enough water to cover them.
Let the soup boil gently for half an hour.
Put in some salt and pepper and taste it.
Serve it hot with a piece of bread.
@plant a tree
Choose a place where there is light and room to grow.
Dig a hole twice as wide as the roots.
Set the tree in the hole so that it stands straight.
Fill the hole with soil and press it down with your foot.
Pour two buckets of water around it.
Tie the tree to a stick so that the wind cannot tear it out.
Water it once a week during the first summer.
@mend a shirt
Find a thread that has the same color as the shirt.
Put the thread through the eye of the needle and tie a knot at the end.
Lay the two edges together.
Sew with small stitches from one end of the hole to the other.
Make a knot on the inside and cut off the rest of the thread.
@light a fire
Collect dry grass, thin sticks and thick pieces of wood.
Clear a place on the ground and put stones around it.
Put the grass in the middle and lean the thin sticks against it.
Light the grass on the side from which the wind comes.
Add larger pieces when the small ones burn well. || Feed it slowly, and do not cover the flame.
Put the fire out with water before you leave.
@write a letter
Write the place and the date at the top of the page.
Begin with the name of the person to whom you write.
Say first why you are writing.
Tell your news in the order in which it happened. || Use short sentences and plain words.
Ask a question, so that the other person has a reason to answer.
Sign your name and read the letter once more.
@bake bread
Mix the flour, the salt and the yeast in a bowl.
Add warm water and stir until there is no dry flour left.
Press and fold the dough for ten minutes.
Cover the bowl with a cloth and wait for one hour.
Form a round loaf and let it rest again.
Bake it in a hot oven for forty minutes.
Let the bread cool before you cut it.
@find your way without a map
Stop and think about where you came from.
Look for the sun, which stands in the east in the morning and in the west in the evening.
Climb a hill if there is one, and look for smoke, roads or water.
Follow a stream downhill, because people live near water.
Leave marks on your way so that you can go back.
Stay where you are when it gets dark.
@wash wool
Fill a bowl with cool water and a little soap.
Lay the wool in the water and press it gently.
Do not rub it and do not wring it.
Change the water until it stays clear.
Roll the wool in a dry towel to press the water out.
Dry it flat, away from the stove.
@catch a fish
Dig up a few worms in the garden.
Tie a hook to the end of the line.
Put a worm on the hook and throw the line into the quiet water near the bank.
Sit still and watch the float.
When the float goes under, lift the rod with a short quick pull.
Put small fish back into the water.
@measure a room
Take a ruler or a tape that is long enough.
Measure the length along the wall and write the number down.
Measure the width in the same way.
Do it a second time, and see if the numbers agree.
Multiply the length by the width to get the area.
@clean a lamp
Wait until the lamp is cold.
Take off the glass and wash it in warm water with soap.
Dry it with a soft cloth that leaves no dust.
Cut the burnt end of the wick straight.
Fill the lamp with oil, but not to the top.
Put the glass back and light the lamp.
@test a program
Write down what the program should do.
Give it a small input for which you know the answer.
Compare the result with what you expected.
Try an empty input, a very large one and one that is wrong.
When you find an error, write a test that shows it before you repair it.
Run all the tests again after each change.
@keep a diary
Choose a notebook that you like.
Write in it at the same hour every day. || Write a few lines each evening before you go to bed.
Put the date at the top.
Write what you saw, what you did and what you thought.
Do not worry about mistakes.
Read it again after a year.
""".split("@")]
